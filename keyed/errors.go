package keyed

import (
	"errors"
	"fmt"
)

// ErrTooManyKeys: the call names a new key, and there are as many keys as [MaxKeys] allows. The error that
// wraps it is a [*TooManyKeysError].
var ErrTooManyKeys = errors.New("keyed: too many keys")

// TooManyKeysError refuses a new key. It unwraps to [ErrTooManyKeys].
type TooManyKeysError struct {
	Max int // what MaxKeys was given
}

// Error says how many keys there may be and what to do.
func (e *TooManyKeysError) Error() string {
	return fmt.Sprintf("%v: %d are in use, and a key is kept while its windows remember it; come back later, allow more with MaxKeys, or let new keys share limits with Overflow",
		ErrTooManyKeys, e.Max)
}

// Unwrap returns [ErrTooManyKeys].
func (e *TooManyKeysError) Unwrap() error { return ErrTooManyKeys }

// errUnknown says that a key is not in the set, so the call must ask for its limits. It is internal.
var errUnknown = errors.New("keyed: a new key")
