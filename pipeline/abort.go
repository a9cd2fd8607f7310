package pipeline

import (
	"context"
	"errors"
	"fmt"
)

// ErrExited is the error of an item whose work ended its goroutine instead of returning, as
// [runtime.Goexit] and the FailNow of a test do.
var ErrExited = errors.New("pipeline: the function ended its goroutine instead of returning")

type abortKey struct{}

// scope is a pipeline that a fault can end.
type scope struct {
	ctx context.Context
	end context.CancelCauseFunc
}

// WithAbort returns a context that a pipeline's stages can end, and a function for the caller to end it. It is
// [context.WithCancelCause] with one addition. A stage may be started with this context or one derived from it.
// If the stage has a fault, it ends this context with the fault as its cause.
//
// Give the context to all stages of a pipeline. When the stream has ended, [context.Cause] says what went
// wrong, or is nil if all was done. Call the function when the pipeline is no longer needed, usually with
// defer, to end stages that may still wait. Stages written by hand call it with their own faults. Only the
// first end of a context counts.
//
// If the work of one pipeline starts another, a fault of the inner pipeline also aborts the outer one, unless
// the inner one has a WithAbort of its own.
func WithAbort(parent context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, abort := context.WithCancelCause(parent)
	return context.WithValue(ctx, abortKey{}, &scope{ctx, abort}), abort
}

// scopeOf returns the pipeline that ctx belongs to, or nil.
func scopeOf(ctx context.Context) *scope {
	p, _ := ctx.Value(abortKey{}).(*scope)
	return p
}

// abort ends the pipeline that ctx belongs to because of a fault. It does nothing if there is no
// fault or if ctx belongs to none.
func abort(ctx context.Context, fault error) {
	if p := scopeOf(ctx); p != nil && fault != nil {
		p.end(fault)
	}
}

// cause returns why ctx has ended, or nil if it has not. A context ends before those derived from it. So if ctx
// is derived from the pipeline's, the pipeline may have ended already, and the stage before may have closed its
// output because of that.
func cause(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if p := scopeOf(ctx); p != nil {
		return context.Cause(p.ctx)
	}
	return nil
}

// refused returns the error of an item for which the scheduler gave no permit.
func refused(stage string, err error) error { return fmt.Errorf("pipeline: %s: %w", stage, err) }

// settle calls f and then last. If f does not return but ends its goroutine, last is told so. It then runs in a
// goroutine of its own, because a panic also comes this way, and last must not delay it.
func settle(f func(), last func(exited bool)) {
	exited := true
	defer func() {
		if exited {
			go last(true)
		}
	}()
	f()
	exited = false
	last(false)
}
