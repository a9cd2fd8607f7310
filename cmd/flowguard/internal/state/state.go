// Package state keeps what a scheduler's windows remember in a file, so that limits hold over many runs of a
// program.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/lock"
	"github.com/flowguard-go/flowguard/scheduler"
)

// File is a file with the state of a scheduler. While it is open no other run can open it.
type File struct {
	name string
	lock io.Closer
}

// Open opens the file, which need not exist yet.
func Open(name string) (*File, error) {
	// A file that replaces a link would leave the file behind the link as it was.
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	held, err := lock.Take(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &File{name: name, lock: held}, nil
}

// Restore charges the scheduler with what is in the file. A file that is not there or empty has nothing.
func (f *File) Restore(s *scheduler.Scheduler) error {
	data, err := os.ReadFile(f.name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	var snap scheduler.Snapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		return f.useless(err)
	}
	if err := s.Restore(snap); err != nil {
		return f.useless(err)
	}
	return nil
}

func (f *File) useless(err error) error {
	return fmt.Errorf("%s: %w; if it is not a state file, name another, and if it is damaged remove it", f.name, err)
}

// Save replaces the file as a whole, so that it is never half written, even if the program is killed.
func (f *File) Save(snap scheduler.Snapshot) error {
	data, err := json.Marshal(snap)
	if err != nil {
		return err
	}
	temp := f.name + ".new" // the lock keeps others from it
	if err := os.WriteFile(temp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, f.name)
}

// Close lets others open the file.
func (f *File) Close() error { return f.lock.Close() }
