package flowhttp

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/flowguard-go/flowguard/ticket"
)

// body is the body of a response, and holds the permit of its call. It releases the permit at the first of
// these events: its end, an error while reading, Close, the end of the request's context. Close alone is not
// enough, because some clients read a body to its end and never close it. With costs only the last two release
// it, because the ticket must still be held when the caller settles it. With a usage the Transport settles the
// ticket itself.
type body struct {
	io.ReadCloser
	permit
	stop func() bool // no longer watches the context; nil if that never ends
	over atomic.Bool
}

// permit is the permit that a body holds, with the way to give it back.
type permit struct {
	ticket ticket.Ticket
	usage  *usage // settles the ticket; may be nil
	costs  bool   // the caller may settle after the end
}

// withPermit returns the body with the permit. It keeps the body's optional methods: to copy without a
// buffer, and to write to a protocol that was switched to.
func withPermit(ctx context.Context, of io.ReadCloser, p permit) io.ReadCloser {
	if w, ok := of.(io.Writer); ok {
		d := &duplex{Writer: w}
		d.hold(ctx, of, p)
		if c, ok := of.(closeWriter); ok {
			return &halfClosable{d, c}
		}
		return d
	}
	if _, ok := of.(io.WriterTo); ok {
		c := new(copyable)
		c.hold(ctx, of, p)
		return c
	}
	b := new(body)
	b.hold(ctx, of, p)
	return b
}

// hold makes the zero body the body of a response.
func (b *body) hold(ctx context.Context, of io.ReadCloser, p permit) {
	b.ReadCloser, b.permit = of, p
	if ctx.Done() != nil {
		b.stop = context.AfterFunc(ctx, p.ticket.Release)
	}
}

// end notes that nothing more can be read.
func (b *body) end() {
	if !b.costs {
		b.release()
	}
}

func (b *body) release() {
	if b.over.Swap(true) {
		return
	}
	defer b.ticket.Release() // whatever usage does
	if b.stop != nil && !b.stop() {
		return // the context has ended, and the permit is given back
	}
	if b.usage != nil {
		b.usage.tell(b.ticket)
	}
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.usage != nil {
		b.usage.note(p[:n])
	}
	if err != nil {
		b.end()
	}
	return n, err
}

// Close implements [io.Closer].
func (b *body) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

// copyTo copies what is left of the body, by its own WriteTo if it has one.
func (b *body) copyTo(w io.Writer) (int64, error) {
	to := &target{Writer: w, usage: b.usage}
	n, err := io.Copy(to, b.ReadCloser)
	if !to.failed { // else the body has not ended
		b.end()
	}
	return n, err
}

// target notes what is written, and whether that failed.
type target struct {
	io.Writer
	usage  *usage // of the body; may be nil
	failed bool
}

func (t *target) Write(p []byte) (int, error) {
	if t.usage != nil {
		t.usage.note(p)
	}
	n, err := t.Writer.Write(p)
	t.failed = t.failed || err != nil || n < len(p)
	return n, err
}

// copyable is a body that can copy itself.
type copyable struct{ body }

// WriteTo implements [io.WriterTo].
func (b *copyable) WriteTo(w io.Writer) (int64, error) { return b.copyTo(w) }

// duplex is the body of a response that switches protocols (101), which is the connection itself.
type duplex struct {
	body
	io.Writer
}

// WriteTo implements [io.WriterTo].
func (d *duplex) WriteTo(w io.Writer) (int64, error) { return d.copyTo(w) }

// ReadFrom implements [io.ReaderFrom].
func (d *duplex) ReadFrom(r io.Reader) (int64, error) { return io.Copy(d.Writer, r) }

// halfClosable is a duplex whose writing side can be closed alone.
type halfClosable struct {
	*duplex
	closeWriter
}

type closeWriter interface{ CloseWrite() error }
