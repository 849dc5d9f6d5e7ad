//go:build tools

// Package engine pins the Pulumi CLI: setup builds the command below, go.mod and go.sum say from what.
// Nothing here is compiled itself; without this import `go mod tidy` would empty go.mod. Another version, in this
// folder: `go get github.com/pulumi/pulumi/pkg/v3@vVERSION && go mod tidy`; the SDK's module follows by itself.
package engine

import (
	_ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
)
