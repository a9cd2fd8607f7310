// Package joblog writes what became of each job of a run to a file, so that a later run can go on where an
// earlier one stopped. The file is a table in the format of GNU parallel's --joblog.
package joblog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/lock"
)

const header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"

// Job is a job that has ended.
type Job struct {
	Seq     int // of the item, from 1
	Began   time.Time
	Took    time.Duration
	Wrote   int64 // bytes to standard output, if that is known
	Code    int   // the exit status; -1 if there is none
	Signal  int   // that killed it, 0: none
	Command string
}

// Log is a job log. One goroutine uses it.
type Log struct {
	file    *os.File
	lock    io.Closer
	earlier map[int]earlier // the jobs of earlier runs, by Seq
	seed    maphash.Seed
	failed  int
}

type earlier struct {
	failed  bool
	command uint64 // hashed: a log may have millions
}

// Open opens the log, and makes it if there is none. With resume it may have jobs of earlier runs.
// Otherwise those are an error, because they would make it hard to tell what was done. A last line that was not
// written to its end is removed; its job counts as not done. While the log is open no other run can open it.
func Open(name string, resume bool) (*Log, error) {
	held, err := lock.Take(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		held.Close()
		return nil, err
	}
	l := &Log{file: f, lock: held, earlier: map[int]earlier{}, seed: maphash.MakeSeed()}
	if err := l.load(resume); err != nil {
		l.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// load reads what is in the file and leaves the file at the end of its last whole line.
func (l *Log) load(resume bool) error {
	in := bufio.NewReaderSize(l.file, 256<<10)
	var end int64
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			break // and what is in line was not written to its end
		}
		if err != nil {
			return err
		}
		end += int64(len(line))
		if number == 1 {
			if string(line) != header {
				return errors.New("its first line is not the header of a job log; name another file")
			}
			continue
		}
		if !resume {
			return errors.New("it has the log of an earlier run; go on with --resume, or remove it")
		}
		if err := l.read(string(bytes.TrimSuffix(line, []byte("\n")))); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := l.file.Truncate(end); err != nil {
		return err
	}
	if _, err := l.file.Seek(end, io.SeekStart); err != nil {
		return err
	}
	if end == 0 {
		_, err := l.file.WriteString(header)
		return err
	}
	return nil
}

func (l *Log) read(line string) error {
	columns := strings.SplitN(line, "\t", 9)
	if len(columns) < 9 {
		return fmt.Errorf("it has %d columns, want 9", len(columns))
	}
	seq, err := strconv.Atoi(columns[0])
	if err != nil || seq < 1 {
		return fmt.Errorf("its Seq is %q, want a number from 1", columns[0])
	}
	failed := columns[6] != "0" || columns[7] != "0"
	if before, ok := l.earlier[seq]; ok && before.failed {
		l.failed--
	}
	if failed {
		l.failed++
	}
	l.earlier[seq] = earlier{failed, l.hash(columns[8])} // a job that was run again counts as it ended last
	return nil
}

func (l *Log) hash(command string) uint64 { return maphash.String(l.seed, command) }

// Earlier returns how many jobs the log had when it was opened, and how many of them had failed.
func (l *Log) Earlier() (jobs, failed int) { return len(l.earlier), l.failed }

// Done reports whether the job is in the log, and whether it failed there. If the command there is another,
// the input or the command is not what it was, and Done returns an error.
func (l *Log) Done(seq int, command string) (done, failed bool, err error) {
	e, ok := l.earlier[seq]
	if !ok {
		return false, false, nil
	}
	if e.command != l.hash(command) {
		return false, false, fmt.Errorf("job %d had another command in the job log; now it is %s; "+
			"resume with the same input and command, or remove the log", seq, command)
	}
	return true, e.failed, nil
}

// Write adds a job that has ended, in one write. After that a run that resumes skips it, even if this
// program is killed in the next instant.
func (l *Log) Write(j Job) error {
	_, err := fmt.Fprintf(l.file, "%d\t:\t%.3f\t%.3f\t0\t%d\t%d\t%d\t%s\n", j.Seq,
		float64(j.Began.UnixMilli())/1e3, j.Took.Seconds(), j.Wrote, j.Code, j.Signal, j.Command)
	return err
}

// Close closes the file and lets others open it.
func (l *Log) Close() error {
	return errors.Join(l.file.Sync(), l.file.Close(), l.lock.Close())
}
