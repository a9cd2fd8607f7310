//go:build !windows && !plan9

package engine

import (
	"errors"
	"syscall"
)

func brokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
