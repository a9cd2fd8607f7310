package items

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/flowguard-go/flowguard/scheduler"
)

// The reader may be ahead by at most this many items and bytes.
const (
	aheadItems = 1000
	aheadBytes = 1 << 20
)

// Options say what the input is.
type Options struct {
	Files []string // "-" is standard input; none is standard input
	NUL   bool     // items end with a NUL byte, not with a newline
}

// Reader reads items ahead of their turn, in a goroutine of its own, as far as memory allows.
type Reader struct {
	opts  Options
	stdin io.Reader
	room  *scheduler.Scheduler // of bytes: a burst without windows is a semaphore in order of arrival
	items chan Item
	err   error // why reading stopped early; set before items is closed

	read    atomic.Int64 // items
	whole   atomic.Bool  // there are no more
	counted atomic.Int64 // items in all files, by counter; 0: not known
}

// NewReader returns a reader. Call Run in a goroutine, and Close when that has ended.
func NewReader(opts Options, stdin io.Reader) (*Reader, error) {
	room, err := scheduler.New(scheduler.Limits{MaxBurst: aheadBytes})
	if err != nil {
		return nil, err
	}
	if len(opts.Files) == 0 {
		opts.Files = []string{"-"}
	}
	return &Reader{opts: opts, stdin: stdin, room: room, items: make(chan Item, aheadItems)}, nil
}

// Close frees what the reader holds.
func (r *Reader) Close() { r.room.Close() }

// Items returns the channel of items. It is closed at the end of the input, and when reading failed.
func (r *Reader) Items() <-chan Item { return r.items }

// Err returns why reading failed, once the channel of items is closed.
func (r *Reader) Err() error { return r.err }

// Read returns how many items have been read so far, and whether there are no more.
func (r *Reader) Read() (n int, whole bool) {
	whole = r.whole.Load()
	return int(r.read.Load()), whole
}

// Total returns how many items the input has, or false if that is not known yet.
func (r *Reader) Total() (n int, known bool) {
	if n, whole := r.Read(); whole {
		return n, true
	}
	n = int(r.counted.Load())
	return n, n > 0
}

// Noun is what an item is called.
func (r *Reader) Noun() string {
	if r.opts.NUL {
		return "item"
	}
	return "line"
}

func (r *Reader) end() byte {
	if r.opts.NUL {
		return 0
	}
	return '\n'
}

// Check finds the file that is not there now and not an hour into the run. It does not open them: a
// named pipe may be opened only once.
func Check(files []string) error {
	for _, name := range files {
		if name == "-" {
			continue
		}
		info, err := os.Stat(name)
		var path *fs.PathError
		if errors.As(err, &path) {
			err = fmt.Errorf("%s: %w", name, path.Err)
		}
		if err != nil {
			return err
		}
		if info.IsDir() {
			return fmt.Errorf("%s is a directory; name its files", name)
		}
	}
	return nil
}

// Run reads all files and then closes the channel of items. The end of ctx also ends it, but does not interrupt
// a Read. The channel then stays open, because that was not the end of the input.
func (r *Reader) Run(ctx context.Context) {
	for _, name := range r.opts.Files {
		if err := r.open(ctx, name); err != nil {
			if ctx.Err() != nil {
				return
			}
			r.err = err
			break
		}
	}
	r.whole.Store(r.err == nil)
	close(r.items)
}

func (r *Reader) open(ctx context.Context, name string) error {
	if name == "-" {
		return r.split(ctx, r.stdin, "")
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.split(ctx, f, name)
}

// split sends the items of one file. A bufio.Scanner would refuse long ones.
func (r *Reader) split(ctx context.Context, in io.Reader, file string) error {
	buf := bufio.NewReaderSize(in, 64<<10)
	for number := 1; ; number++ {
		text, err := buf.ReadBytes(r.end())
		switch {
		case err == nil:
			text = text[:len(text)-1]
		case err != io.EOF:
			return err // and the text before it may be half an item
		case len(text) == 0:
			return nil
		}
		if err := r.send(ctx, Item{Text: text, Ended: err == nil, file: file, number: number, noun: r.Noun()}); err != nil {
			return err
		}
	}
}

func (r *Reader) send(ctx context.Context, i Item) (err error) {
	i.Seq = int(r.read.Add(1))
	weight := min(max(1, len(i.Text)), aheadBytes) // a longer item takes all the room there is
	if i.room, err = r.room.AcquireN(ctx, weight); err != nil {
		return err
	}
	select {
	case r.items <- i:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CountAhead counts the items of the files, so that Total is known before they are read. It does so only
// where all of them are regular files, because anything else can be read only once.
func (r *Reader) CountAhead(ctx context.Context) {
	total := 0
	for _, name := range r.opts.Files {
		n, ok := r.count(ctx, name)
		if !ok {
			return
		}
		total += n
	}
	r.counted.Store(int64(total))
}

func (r *Reader) count(ctx context.Context, name string) (n int, ok bool) {
	if name == "-" {
		return 0, false
	}
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	f, err := os.Open(name)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	buf, end, last := make([]byte, 256<<10), []byte{r.end()}, r.end()
	for ctx.Err() == nil {
		got, err := f.Read(buf)
		if got > 0 {
			n += bytes.Count(buf[:got], end)
			last = buf[got-1]
		}
		if err == io.EOF {
			if last != r.end() {
				n++
			}
			return n, true
		}
		if err != nil {
			return 0, false
		}
	}
	return 0, false
}
