//go:build tools

// Package engine pins the Pulumi CLI: setup builds the command below, go.mod and go.sum say from what.
// Nothing here is compiled itself; without this import `go mod tidy` would empty go.mod.
package engine

import (
	_ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
)
