//go:build tools

// Package actionlint pins the tool that checks the workflows; `make lint` builds it.
package actionlint

import (
	_ "github.com/rhysd/actionlint/cmd/actionlint"
)
