package process

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// inMemory is how much a command may write to an output that is then kept in memory, not in a file.
const inMemory = 16 << 10

// Output is what a command wrote, apart for standard output and standard error.
type Output struct {
	Stdout, Stderr Text
}

// Discard frees what the output takes.
func (o *Output) Discard() {
	if o != nil {
		o.Stdout.Discard()
		o.Stderr.Discard()
	}
}

// Empty reports whether nothing was written.
func (o *Output) Empty() bool { return o == nil || o.Stdout.size == 0 && o.Stderr.size == 0 }

// Text is what was written to one of the two.
type Text struct {
	size   int64
	memory []byte
	path   string // of the file, if it is not in memory
}

// InMemory returns a text that is all in memory.
func InMemory(text string) Text { return Text{size: int64(len(text)), memory: []byte(text)} }

// Size returns how many bytes were written.
func (t *Text) Size() int64 { return t.size }

// WriteTo writes all of it to w.
func (t *Text) WriteTo(w io.Writer) (int64, error) {
	if t.path == "" {
		if len(t.memory) == 0 {
			return 0, nil
		}
		n, err := w.Write(t.memory)
		return int64(n), err
	}
	f, err := os.Open(t.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.Copy(w, io.LimitReader(f, t.size))
}

// Discard frees what the text takes.
func (t *Text) Discard() {
	if t.path != "" {
		os.Remove(t.path)
	}
	*t = Text{}
}

// capture is the files that a command writes to.
type capture struct{ stdout, stderr *os.File }

// newCapture makes the files. The command writes to them itself, so nothing waits for what it leaves in the
// background, as the end of a pipe would.
func newCapture(dir string, seq int) (c capture, err error) {
	name := filepath.Join(dir, strconv.Itoa(seq))
	const flags = os.O_RDWR | os.O_CREATE | os.O_TRUNC | os.O_APPEND
	if c.stdout, err = os.OpenFile(name+".out", flags, 0o600); err != nil {
		return c, err
	}
	if c.stderr, err = os.OpenFile(name+".err", flags, 0o600); err != nil {
		c.stdout.Close()
		return c, err
	}
	return c, nil
}

// output returns what is in the files, which it closes.
func (c capture) output() (*Output, error) {
	var o Output
	var errs [2]error
	o.Stdout, errs[0] = text(c.stdout)
	o.Stderr, errs[1] = text(c.stderr)
	return &o, errors.Join(errs[:]...)
}

func text(f *os.File) (t Text, err error) {
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return t, err
	}
	t.size = info.Size()
	if t.size > inMemory {
		t.path = f.Name()
		return t, nil
	}
	t.memory = make([]byte, t.size)
	if _, err := f.ReadAt(t.memory, 0); err != nil && err != io.EOF {
		return t, err
	}
	os.Remove(f.Name())
	return t, nil
}
