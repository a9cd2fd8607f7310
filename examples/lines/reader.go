package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
	"github.com/flowguard-go/flowguard/ticket"
)

// The reader may be ahead by so many lines, which together have so many bytes.
const (
	aheadLines = 1000
	aheadBytes = 1 << 20
)

// line is one line of input, without its newline.
type line struct {
	text   []byte
	file   string // empty for standard input
	number int    // in its file, from 1
	read   time.Time
	room   ticket.Ticket // for its bytes in memory; given back when its turn has come
}

// String says where the line stands.
func (l line) String() string {
	if l.file == "" {
		return fmt.Sprintf("line %d", l.number)
	}
	return fmt.Sprintf("%s, line %d", l.file, l.number)
}

// reader reads lines ahead of their turn, in a goroutine of its own, as far as memory allows.
type reader struct {
	files []string
	stdin io.Reader
	room  *scheduler.Scheduler // of bytes: a burst without windows is a semaphore in order of arrival

	lines chan line
	err   error // why reading stopped early; set before lines is closed

	count atomic.Int64 // lines read
	whole atomic.Bool  // there are no more
}

func newReader(files []string, stdin io.Reader) (*reader, error) {
	room, err := scheduler.New(scheduler.Limits{MaxBurst: aheadBytes})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		files = []string{"-"}
	}
	return &reader{files: files, stdin: stdin, room: room, lines: make(chan line, aheadLines)}, nil
}

func (r *reader) close() { r.room.Close() }

// check finds the file that is not there now and not an hour into the run. It does not open them: a
// named pipe may be opened only once.
func check(files []string) error {
	for _, name := range files {
		if name == "-" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if info.IsDir() {
			return fmt.Errorf("%s is a directory", name)
		}
	}
	return nil
}

// run reads all files and then closes the channel of lines. The end of ctx ends it too, though not
// within a Read that is under way; the channel then stays open, because that was not the end of the
// input.
func (r *reader) run(ctx context.Context) {
	for _, name := range r.files {
		if err := r.open(ctx, name); err != nil {
			if ctx.Err() != nil {
				return
			}
			r.err = err
			break
		}
	}
	r.whole.Store(r.err == nil)
	close(r.lines)
}

func (r *reader) open(ctx context.Context, name string) error {
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

// split sends the lines of one input. A bufio.Scanner would refuse long ones.
func (r *reader) split(ctx context.Context, in io.Reader, file string) error {
	buf := bufio.NewReaderSize(in, 64<<10)
	for number := 1; ; number++ {
		text, err := buf.ReadBytes('\n')
		switch {
		case err == nil:
			text = text[:len(text)-1]
		case err != io.EOF:
			return err // and the text before it may be half a line
		case len(text) == 0:
			return nil
		}
		if err := r.send(ctx, line{text: text, file: file, number: number, read: time.Now()}); err != nil {
			return err
		}
	}
}

func (r *reader) send(ctx context.Context, l line) (err error) {
	r.count.Add(1)
	weight := min(max(1, len(l.text)), aheadBytes) // a longer line takes all the room there is
	if l.room, err = r.room.AcquireN(ctx, weight); err != nil {
		return err
	}
	select {
	case r.lines <- l:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
