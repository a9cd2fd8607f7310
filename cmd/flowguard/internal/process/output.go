package process

import (
	"errors"
	"io"
	"os"
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
	file   *os.File // if it is not in memory
}

// InMemory returns a text that is all in memory.
func InMemory(text string) Text { return Text{size: int64(len(text)), memory: []byte(text)} }

// Size returns how many bytes were written.
func (t *Text) Size() int64 { return t.size }

// WriteTo writes all of it to w.
func (t *Text) WriteTo(w io.Writer) (int64, error) {
	if t.file != nil {
		return io.Copy(w, io.NewSectionReader(t.file, 0, t.size))
	}
	if len(t.memory) == 0 {
		return 0, nil
	}
	n, err := w.Write(t.memory)
	return int64(n), err
}

// Discard frees what the text takes.
func (t *Text) Discard() {
	if t.file != nil {
		dispose(t.file)
	}
	*t = Text{}
}

// capture is the files that a command writes to.
type capture struct{ stdout, stderr *os.File }

// newCapture makes the files. The command writes to them itself, so nothing waits for what it leaves in the
// background, as the end of a pipe would.
func newCapture() (c capture, err error) {
	if c.stdout, err = tempFile(); err != nil {
		return c, err
	}
	if c.stderr, err = tempFile(); err != nil {
		dispose(c.stdout)
	}
	return c, err
}

// tempFile makes a file without a name, so that it is gone even if this program is killed. If an open file
// cannot be removed, as on Windows, it keeps its name until it is disposed of.
func tempFile() (*os.File, error) {
	f, err := os.CreateTemp("", "flowguard")
	if err == nil {
		os.Remove(f.Name())
	}
	return f, err
}

func dispose(f *os.File) {
	f.Close()
	os.Remove(f.Name())
}

// output returns what is in the files.
func (c capture) output() (*Output, error) {
	var o Output
	var errs [2]error
	o.Stdout, errs[0] = text(c.stdout)
	o.Stderr, errs[1] = text(c.stderr)
	return &o, errors.Join(errs[:]...)
}

func text(f *os.File) (Text, error) {
	info, err := f.Stat()
	if err != nil {
		dispose(f)
		return Text{}, err
	}
	if info.Size() > inMemory {
		return Text{size: info.Size(), file: f}, nil
	}
	defer dispose(f)
	memory := make([]byte, info.Size())
	n, err := f.ReadAt(memory, 0)
	if err == io.EOF {
		err = nil
	}
	return Text{size: int64(n), memory: memory[:n]}, err
}
