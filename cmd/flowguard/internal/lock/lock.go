// Package lock keeps two runs from using one file at the same time.
package lock

import (
	"errors"
	"io"

	"github.com/gofrs/flock"
)

// ErrTaken says that another run has the lock.
var ErrTaken = errors.New("another run uses it")

// Take takes the lock of the named file until Close. The lock is a file beside it that stays there, because
// removing it would race with those who take it. The system frees the lock when the program ends, however
// that happens. On a system without locks Take does nothing.
func Take(name string) (io.Closer, error) {
	l := flock.New(name + ".lock")
	switch got, err := l.TryLock(); {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		return nil, err
	case !got:
		l.Close()
		return nil, ErrTaken
	}
	return l, nil
}
