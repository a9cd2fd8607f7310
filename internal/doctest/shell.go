package doctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// script is a shell block of a Markdown file.
type script struct {
	block
	left string // why the block is not run; "": it is
}

const notRunOpen = "<!-- not run: "

// shellPatience is how long a script may run. A script that installs a program also compiles it.
const shellPatience = 4 * time.Minute

// scriptsOf returns the shell blocks of a Markdown file: those that are fenced as sh or bash, and those that are
// indented by four spaces after an empty line.
func scriptsOf(file, text string) (scripts []script) {
	lines := strings.Split(text, "\n")
	add := func(comment, begin, end, after int, indent string) {
		s := script{block: block{file: file, line: begin + 1}}
		for _, l := range lines[begin:end] {
			s.code += strings.TrimPrefix(l, indent) + "\n"
		}
		s.code = strings.TrimRight(s.code, "\n") + "\n"
		s.prints, s.ends = printed(lines[min(after, len(lines)):])
		if comment >= 0 {
			if why, ok := strings.CutPrefix(lines[comment], notRunOpen); ok {
				s.left = strings.TrimSuffix(why, frameEnd)
			}
		}
		scripts = append(scripts, s)
	}
	const indent = "    "
	for i := 0; i < len(lines); i++ {
		if language, opens := strings.CutPrefix(lines[i], fence); opens {
			begin := i + 1
			i = endOfBlock(lines, begin)
			if language == "sh" || language == "bash" {
				add(begin-2, begin, i, i+1, "")
			}
			continue
		}
		if !strings.HasPrefix(lines[i], indent) || i > 0 && lines[i-1] != "" && !strings.HasPrefix(lines[i-1], "<!--") {
			continue
		}
		begin := i
		for i < len(lines) && (lines[i] == "" || strings.HasPrefix(lines[i], indent)) {
			i++
		}
		add(begin-1, begin, i, i, indent)
		i-- // the line after it may open a block
	}
	return scripts
}

// ScriptProblems runs the shell blocks of Markdown files, and returns what is wrong with them, and how many
// blocks there are. fixtures is a folder with the files that the blocks name. Its folder bin has substitutes
// for programs that need a network or are rarely installed.
func ScriptProblems(root, fixtures string, files ...string) (problems []string, blocks int, err error) {
	r, err := explore(root)
	if err != nil {
		return nil, 0, err
	}
	home, err := os.MkdirTemp("", "doctest")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(home)
	if home, err = filepath.EvalSymlinks(home); err != nil {
		return nil, 0, err
	}
	for name, fill := range map[string]func(folder string) error{
		"bin":   func(folder string) error { return os.CopyFS(folder, os.DirFS(filepath.Join(fixtures, "bin"))) },
		"proxy": func(folder string) error { return publish(r.modules[0].folder, folder) },
	} {
		if err := fill(filepath.Join(home, name)); err != nil {
			return nil, 0, err
		}
	}
	env, err := readersEnvironment(home)
	if err != nil {
		return nil, 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, 0, err
		}
		if file, err = filepath.Abs(file); err != nil {
			return nil, 0, err
		}
		scripts := scriptsOf(file, string(text))
		if len(scripts) == 0 {
			continue
		}
		// The blocks of a page are run in their order, in one folder.
		folder := filepath.Join(home, filepath.Base(file))
		if err := os.CopyFS(folder, os.DirFS(fixtures)); err != nil {
			return nil, 0, err
		}
		if err := os.WriteFile(filepath.Join(folder, "go.mod"), []byte("module reader\n\ngo 1.26.0\n"), 0o600); err != nil {
			return nil, 0, err
		}
		for _, s := range scripts {
			blocks++
			if problem := s.try(folder, r.modules[0].folder, env); problem != "" {
				problems = append(problems, problem)
			}
		}
	}
	return problems, blocks, nil
}

// readersEnvironment returns the environment of a reader who has Go and no part of Flowguard. Go finds the
// modules of this checkout as if they were published, and all others in the module cache of this checkout.
func readersEnvironment(home string) ([]string, error) {
	out, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY", "GOCACHE").Output()
	if err != nil {
		return nil, err
	}
	found := strings.Split(strings.TrimSpace(string(out)), "\n")
	cache, proxy, compiled := found[0], found[1], found[2]
	bin := filepath.Join(home, "bin")
	return append(os.Environ(),
		"HOME="+home, "GOBIN="+bin, "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"),
		"GOPROXY=file://"+filepath.ToSlash(filepath.Join(home, "proxy"))+",file://"+filepath.ToSlash(filepath.Join(cache, "cache", "download"))+","+proxy,
		"GOMODCACHE="+filepath.Join(home, "modules"), "GOCACHE="+compiled, "GOSUMDB=off", "GOWORK=off",
		"GOFLAGS=-modcacherw -trimpath", // so that the folder can be removed, and what was compiled once serves again
	), nil
}

// try runs the script and says what is wrong. If the script is not to be run, try checks the packages that it
// names.
func (s script) try(folder, root string, env []string) (problem string) {
	args := []string{"-euo", "pipefail", "-c", s.code}
	if s.left != "" {
		if problem := s.missing(root); problem != "" {
			return problem
		}
		args = append([]string{"-n"}, args...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), shellPatience)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", args...)
	var printed, complaints bytes.Buffer
	c.Dir, c.Env, c.Stdout, c.Stderr = folder, append(env, "PWD="+folder), &printed, &complaints
	if err := c.Run(); err != nil || s.left == "" && s.ends && printed.String() != s.prints {
		return fmt.Sprintf("%s: the commands end with %v and print\n%s%sthe text says\n%s",
			s.where(), err, printed.String(), complaints.String(), s.prints)
	}
	return ""
}

// inCheckout finds the package that a command of Go names, as in "go run ./examples/quickstart".
var inCheckout = regexp.MustCompile(`\bgo (?:build|install|run|test|vet) (?:-\S+ )*\./([\w./-]*\w)`)

// missing says which packages a script that is not run names, but the checkout lacks.
func (s script) missing(root string) string {
	for _, found := range inCheckout.FindAllStringSubmatch(s.code, -1) {
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(path.Clean(found[1])))); errors.Is(err, os.ErrNotExist) {
			return fmt.Sprintf("%s: there is no ./%s in a checkout", s.where(), found[1])
		}
	}
	return ""
}

// Languages returns a problem for each fenced block of Markdown files that no test looks at because of its language.
func Languages(files ...string) (problems []string, err error) {
	known := []string{"", "go", "sh", "bash", "text"} // text is what something prints or looks like
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		lines := strings.Split(string(text), "\n")
		for i := 0; i < len(lines); i++ {
			if language, opens := strings.CutPrefix(lines[i], fence); opens {
				if !slices.Contains(known, language) {
					problems = append(problems, fmt.Sprintf("%s:%d: no test looks at blocks of %s", file, i+1, language))
				}
				i = endOfBlock(lines, i+1)
			}
		}
	}
	return problems, nil
}
