package doctest

import (
	"fmt"
	"go/format"
	"path"
	"regexp"
	"slices"
	"strings"
)

// block is a Go block of a Markdown file.
type block struct {
	file   string // as an absolute path
	line   int    // of the first line of code
	code   string
	frame  string // the function that the code is the body of; "": the code is a whole file
	prints string // what the text says that the program prints
	ends   bool   // whether it says so
}

const (
	fence     = "```"
	frameOpen = "<!-- in: "
	frameEnd  = " -->"
)

// blocksOf returns the Go blocks of a Markdown file.
func blocksOf(file, text string) (blocks []block) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		language, opens := strings.CutPrefix(lines[i], fence)
		if !opens {
			continue
		}
		begin := i + 1
		i = endOfBlock(lines, begin)
		if language != "go" {
			continue
		}
		b := block{file: file, line: begin + 1, code: strings.Join(lines[begin:i], "\n") + "\n", frame: frameBefore(lines[:begin-1])}
		b.prints, b.ends = printed(lines[min(i+1, len(lines)):])
		blocks = append(blocks, b)
	}
	return blocks
}

// endOfBlock returns the index of the line that closes the block whose first line is at begin.
func endOfBlock(lines []string, begin int) int {
	for i := begin; i < len(lines); i++ {
		if strings.HasPrefix(lines[i], fence) {
			return i
		}
	}
	return len(lines)
}

// frameBefore returns the function that a comment right before a block names.
func frameBefore(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	frame, ok := strings.CutPrefix(lines[len(lines)-1], frameOpen)
	if !ok {
		return ""
	}
	return strings.TrimSuffix(frame, frameEnd)
}

// printed returns the output that the text after a program promises: in code on the line that begins with "It
// prints", or in a block that follows.
func printed(lines []string) (output string, ok bool) {
	first := slices.IndexFunc(lines, func(l string) bool { return l != "" })
	if first < 0 || !strings.HasPrefix(lines[first], "It prints") {
		return "", false
	}
	if parts := strings.Split(lines[first], "`"); len(parts) > 2 {
		return parts[1] + "\n", true
	}
	for i := first + 1; i < len(lines); i++ {
		if strings.HasPrefix(lines[i], fence) {
			return strings.Join(lines[i+1:endOfBlock(lines, i+1)], "\n") + "\n", true
		}
	}
	return "", false
}

// where returns where the block is, as compilers write it.
func (b block) where() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

// isTest reports whether the block is a test file.
func (b block) isTest() bool { return strings.Contains(b.code, "\"testing\"\n") }

// isFile reports whether the block is a whole file.
func (b block) isFile() bool { return strings.HasPrefix(b.code, "package ") }

// problem says what is wrong with the block as a text, or returns "".
func (b block) problem() string {
	switch formatted, err := format.Source([]byte(b.code)); {
	case err != nil:
		return fmt.Sprintf("%s: %v", b.where(), err)
	case string(formatted) != b.code:
		return b.where() + ": it is not formatted as gofmt does"
	case b.frame == "" && !b.isFile():
		return fmt.Sprintf("%s: it is neither a whole file nor framed; write %sfunc f(s *scheduler.Scheduler)%s on the line before it",
			b.where(), frameOpen, frameEnd)
	}
	return ""
}

// source returns the block as a file whose errors name the place in the Markdown. A frame may use the packages of
// the repository.
func (b block) source(packages []string) string {
	at := "//line " + b.where() + "\n"
	if b.frame == "" {
		return at + b.code
	}
	return "package demo\n\n" + importsFor(b.frame+b.code, append(packages, standard...)) + b.frame + " {\n" + at + b.code + "}\n"
}

// standard are the packages of the standard library that a frame may use.
var standard = []string{
	"context", "encoding/json", "errors", "expvar", "flag", "fmt", "io", "log", "log/slog", "net/http", "os", "strconv", "strings", "sync", "testing", "time",
}

// importsFor returns the imports that the code needs of the packages.
func importsFor(code string, packages []string) string {
	var imports strings.Builder
	for _, p := range packages {
		if regexp.MustCompile(`\b` + path.Base(p) + `\.[A-Z]`).MatchString(code) {
			fmt.Fprintf(&imports, "import %q\n", p)
		}
	}
	return imports.String()
}
