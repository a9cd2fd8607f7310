// Package doctest compiles, vets and runs the Go blocks of Markdown files, and runs their shell blocks. So
// every example in them works. It also finds broken links.
//
// A block that begins with a package clause is a whole file. If it imports testing, its tests are run. If it is a
// program, and the text after it begins with "It prints" and then says what, in code on the same line or in a
// block that follows, the program is run and has to print that. Other programs are not run.
//
// A block that is not a whole file is the body of the function that a comment on the line before it names:
//
//	<!-- in: func charge(s *scheduler.Scheduler, w scheduler.Window) error -->
//
// Readers of the page do not see the comment. The imports of the code are found by the names of packages.
//
// A shell block is fenced as sh or bash, or indented. The blocks of a page are run in their order, in a folder of a
// reader who has Go and no checkout: "go get" and "go install" find the modules of this checkout as if they were published.
// A comment on the line before a block says why it is not run. Then its syntax is checked, and that the packages that it
// names are in the checkout:
//
//	<!-- not run: the checks run each -->
package doctest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// patience is how long a program or a script may take, including its build. It is less than the timeout of go
// test.
const patience = 5 * time.Minute

// Problems returns what is wrong with the Go blocks of Markdown files, and how many blocks there are. root is the
// folder of the repository, whose modules the blocks may import.
func Problems(root string, files ...string) (problems []string, blocks int, err error) {
	r, err := explore(root)
	if err != nil {
		return nil, 0, err
	}
	folder, err := os.MkdirTemp("", "doctest")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(folder)
	w := &workshop{folder: folder, repository: r}
	for _, file := range files {
		if err := w.add(file); err != nil {
			return nil, 0, err
		}
	}
	if len(w.sources) > 0 {
		if err := w.link(); err != nil {
			return nil, 0, err
		}
		w.vet()
		w.run()
	}
	return w.problems, w.blocks, nil
}

// workshop is a folder with a package for each block.
type workshop struct {
	folder     string
	repository repository
	blocks     int
	sources    []string // of the blocks that can be compiled
	programs   []program
	problems   []string
}

// program is a block that is to be run.
type program struct {
	block
	folder string
}

func (w *workshop) write(name, text string) error {
	name = filepath.Join(w.folder, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text), 0o600)
}

// add adds the blocks of a file.
func (w *workshop) add(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	for _, b := range blocksOf(file, string(text)) {
		w.blocks++
		if problem := b.problem(); problem != "" {
			w.problems = append(w.problems, problem)
			continue
		}
		folder := fmt.Sprintf("block%d", w.blocks)
		name := "block.go"
		if b.isTest() {
			name = "block_test.go"
		}
		source := b.source(w.repository.packages)
		if err := w.write(filepath.Join(folder, name), source); err != nil {
			return err
		}
		w.sources = append(w.sources, source)
		if b.ends {
			w.programs = append(w.programs, program{b, folder})
		}
	}
	return nil
}

// link makes the folder a module in a workspace with the modules that the blocks import. So they use those as they
// are here, and what these require.
func (w *workshop) link() error {
	var use strings.Builder
	for _, folder := range w.repository.usedBy(w.sources) {
		fmt.Fprintf(&use, "\t%q\n", folder)
	}
	if err := w.write("go.work", "go 1.26.0\n\nuse (\n\t.\n"+use.String()+")\n"); err != nil {
		return err
	}
	return w.write("go.mod", "module blocks\n\ngo 1.26.0\n")
}

// vet compiles and vets all blocks, and runs those that are tests.
func (w *workshop) vet() {
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}} {
		if out, err := w.command("go", args...).CombinedOutput(); err != nil {
			w.problems = append(w.problems, fmt.Sprintf("go %s: %v\n%s", strings.Join(args, " "), err, out))
			return // the next would say the same
		}
	}
}

// run runs the programs.
func (w *workshop) run() {
	for _, p := range w.programs {
		binary := filepath.Join(w.folder, p.folder, "program")
		if w.command("go", "build", "-o", binary, "./"+p.folder).Run() != nil {
			continue // vet has said why
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		c := exec.CommandContext(ctx, binary)
		var printed, complaints bytes.Buffer
		c.Dir, c.Stdout, c.Stderr = w.folder, &printed, &complaints
		err := c.Run()
		cancel()
		if err != nil || printed.String() != p.prints {
			w.problems = append(w.problems, fmt.Sprintf("%s: the program ends with %v and prints\n%s%sthe text says\n%s",
				p.where(), err, printed.String(), complaints.String(), p.prints))
		}
	}
}

// command returns a command that works in the folder.
func (w *workshop) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Dir = w.folder
	c.Env = append(os.Environ(), "GOWORK="+filepath.Join(w.folder, "go.work"), "GOFLAGS=", "PWD="+w.folder)
	return c
}
