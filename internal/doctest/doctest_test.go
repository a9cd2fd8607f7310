package doctest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	// The documents use these. Without the imports go test would take a result from its cache after they changed.
	_ "github.com/flowguard-go/flowguard/pipeline"
	_ "github.com/flowguard-go/flowguard/scheduler/schedulertest"
)

const root = "../.."

// documents returns the README and the guides.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(files, root+"/README.md")
}

func TestLinks(t *testing.T) {
	files := documents(t)
	for _, name := range []string{"CHANGELOG", "CONTRIBUTING", "SECURITY", "benchmarks/README", "cmd/flowguard/README"} {
		files = append(files, root+"/"+name+".md")
	}
	problems, err := BrokenLinks(files...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

func TestBrokenLinks(t *testing.T) {
	folder := t.TempDir()
	page, other := filepath.Join(folder, "page.md"), filepath.Join(folder, "other.md")
	for name, text := range map[string]string{
		page: "# A page\n[a](other.md) [b](#a-page) [c](other.md#two-words-and-code) [d](https://example.com/none) [e](gone.md)\n" +
			"[f](#gone) [g](other.md#gone) `[h](gone.md)`\n\n```md\n[i](gone.md)\n```\n",
		other: "## Two words, and `code`\n```sh\n# gone\n```\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	problems, err := BrokenLinks(page, other)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"gone.md", "#gone", "other.md#gone"}
	for i, target := range want {
		want[i] = page + ": the link to " + target + " leads nowhere"
	}
	if !slices.Equal(problems, want) {
		t.Errorf("got %q, want %q", problems, want)
	}
}

// What the README and the guides show works.
func TestDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles and runs programs")
	}
	problems, blocks, err := Problems(root, documents(t)...)
	report(t, problems, blocks, err)
}

// report fails the test for each problem of the documents, or if there is hardly a block in them.
func report(t *testing.T, problems []string, blocks int, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	if blocks < 10 {
		t.Errorf("found %d blocks, want 10 at least", blocks)
	}
}

// needShell skips the test where shell blocks cannot be run.
func needShell(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the guides are for shells of Unix")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("it needs bash")
	}
}

// The shell blocks of the README and the guides can be run by somebody who has Go and no checkout.
func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("it installs and runs the command")
	}
	needShell(t)
	problems, blocks, err := ScriptProblems(root, "testdata/shell", documents(t)...)
	report(t, problems, blocks, err)
}

// A reader who runs the first command of the README can build its first program. "go get" adds only what the package
// it names imports, so it has to name one that the program imports.
func TestFirstProgramBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	needShell(t)
	text, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	command, program := scriptsOf("README.md", string(text))[0], blocksOf("README.md", string(text))[0]
	page := "```sh\n" + command.code + "\ncat >main.go <<'END'\n" + program.code + "END\ngo build -o program .\n```\n"
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	problems, blocks, err := ScriptProblems(root, "testdata/shell", file)
	if err != nil || len(problems) > 0 || blocks != 1 {
		t.Errorf("%d blocks, %v; problems:\n%s", blocks, err, strings.Join(problems, "\n"))
	}
}

func TestScriptsSayWhatIsWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs commands")
	}
	needShell(t)
	const good = "~~~sh\necho one >file\n~~~\n\nand then\n\n    cat file\n\nIt prints ~one~.\n"
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":                  {good, ""},
		"it fails":                 {"~~~bash\ntrue\nfalse\ntrue\n~~~\n", "page.md:2: the commands end with exit status 1"},
		"a part of a pipe fails":   {"    false | true\n", "page.md:1: the commands end with exit status 1"},
		"it prints something else": {good + "\n    cat file\n\nIt prints ~two~.\n", "page.md:11: the commands end with <nil> and print\none\nthe text says\ntwo\n"},
		"it is not run":            {"<!-- not run: why -->\n    false\n", ""},
		"it is not run and a program of the reader's": {"<!-- not run: why -->\n    ./mine\n", ""},
		"it is not run and no shell":                  {"<!-- not run: why -->\n~~~sh\nif\n~~~\n", "page.md:3: the commands end with exit status 2"},
		"it is not run and is not there": {"<!-- not run: why -->\n    go run ./examples/gone\n",
			"page.md:2: there is no ./examples/gone in a checkout"},
		"the module is not there": {"    go get github.com/flowguard-go/flowguard/gone\n", "page.md:1: the commands end with exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "page.md")
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(strings.ReplaceAll(tt.text, "~~~", "```"), "~", "`")), 0o600); err != nil {
				t.Fatal(err)
			}
			problems, blocks, err := ScriptProblems(root, "testdata/shell", file)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(problems, "\n"); blocks == 0 || (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%d blocks; got\n%s\nwant\n%s", blocks, got, tt.want)
			}
		})
	}
}

// There is no block in a language that no test looks at.
func TestLanguages(t *testing.T) {
	problems, err := Languages(documents(t)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// Modules beside the library can be imported too.
func TestNestedModule(t *testing.T) {
	repository := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":           "module example.com/library\n\ngo 1.26.0\n",
		"part/part.go":     "package part\n\nconst One = 1\n",
		"beside/go.mod":    "module example.com/library/beside\n\ngo 1.26.0\n",
		"beside/beside.go": "package beside\n\nconst Two = 2\n",
		"page.md":          "<!-- in: func f() int -->\n```go\nreturn part.One + beside.Two\n```\n",
	} {
		name = filepath.Join(repository, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	problems, blocks, err := Problems(repository, filepath.Join(repository, "page.md"))
	if err != nil || len(problems) > 0 || blocks != 1 {
		t.Errorf("%d blocks, want 1, with the problems %q and the error %v", blocks, problems, err)
	}
}

// check returns the problems of a document. A block is fenced by ~~~ in it, because a raw string has no backquotes.
func check(t *testing.T, text string) (problems string, blocks int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(strings.ReplaceAll(text, "~~~", "```"), "~", "`")), 0o600); err != nil {
		t.Fatal(err)
	}
	list, blocks, err := Problems(root, file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, "\n"), blocks
}

const good = `
A program that ends:

~~~go
package main

import (
	"fmt"

	"github.com/flowguard-go/flowguard/scheduler"
)

func main() { fmt.Println(scheduler.PerSecond(3)) }
~~~

It prints ~3/s~.

~~~go
package main

import "fmt"

func main() {
	fmt.Println("one")
	fmt.Println("two")
}
~~~

It prints:

~~~text
one
two
~~~

A test:

~~~go
package demo

import (
	"testing"

	"github.com/benbjohnson/clock"
)

func TestNow(t *testing.T) {
	if clock.NewMock().Now().Unix() != 0 {
		t.Error("not 1970")
	}
}
~~~

A part:

<!-- in: func f(s *scheduler.Scheduler) error -->
~~~go
w := scheduler.PerSecond(3)
return s.Charge(w, 2)
~~~

~~~sh
not Go
~~~
`

func TestGoodBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles and runs programs")
	}
	if problems, blocks := check(t, good); problems != "" || blocks != 4 {
		t.Errorf("%d blocks, want 4, with the problems %s", blocks, problems)
	}
}

func TestBadBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles programs")
	}
	for name, tt := range map[string]struct{ text, want string }{
		"it does not compile": {`
~~~go
package main

func main() { undefined() }
~~~
`, "page.md:5: undefined: undefined"},
		"vet complains": {`
<!-- in: func f() -->
~~~go
fmt.Printf("%d", "x")
~~~
`, "page.md:4: fmt.Printf format %d has arg \"x\" of wrong type string"},
		"it is a part and not framed": {`
~~~go
println("x")
~~~
`, "page.md:3: it is neither a whole file nor framed"},
		"it is not formatted": {`
~~~go
package main

func main() {  }
~~~
`, "page.md:3: it is not formatted"},
		"it is no Go": {`
~~~go
package main {
~~~
`, "page.md:3: 1:14: expected ';', found '{'"},
		"it prints something else": {`
~~~go
package main

import "fmt"

func main() { fmt.Println("one") }
~~~

It prints ~two~.
`, "page.md:3: the program ends with <nil> and prints\none\nthe text says\ntwo\n"},
		"it fails": {`
~~~go
package main

import "os"

func main() { os.Exit(3) }
~~~

It prints ~~.
`, "page.md:3: the program ends with exit status 3"},
		"a test fails": {`
~~~go
package demo

import "testing"

func TestX(t *testing.T) { t.Error("this way") }
~~~
`, "this way"},
	} {
		t.Run(name, func(t *testing.T) {
			if problems, _ := check(t, tt.text); !strings.Contains(problems, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", problems, tt.want)
			}
		})
	}
}
