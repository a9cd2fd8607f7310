package process

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
)

// as returns the test binary as a command in the given role.
func as(t *testing.T, role string) *Command {
	t.Helper()
	t.Setenv(roleEnv, role)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or under -race each command takes a second to exit
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &Command{Template: Template{Words: []string{path}, Replace: "{}"}, Keep: true, Grace: time.Hour}
	if err := c.Find(); err != nil {
		t.Fatal(err)
	}
	return c
}

func item(text string) items.Item { return items.Item{Text: []byte(text), Ended: true, Seq: 1} }

// wrote returns what was written to both outputs.
func wrote(t *testing.T, e Exit) (stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	if _, e := e.Output.Stdout.WriteTo(&out); e != nil {
		t.Fatal(e)
	}
	if _, e := e.Output.Stderr.WriteTo(&err); e != nil {
		t.Fatal(e)
	}
	return out.String(), err.String()
}

func TestOutputIsKept(t *testing.T) {
	c := as(t, "echo")
	e := c.Run(Stop{}, item("a b"))
	out, err := wrote(t, e)
	if e.Err != nil || e.Code != 0 || out != "a b\n" || err != "said a b\n" {
		t.Errorf("%+v wrote %q and %q", e, out, err)
	}
	if e.Output.Stdout.file != nil {
		t.Error("a short output is kept in a file")
	}
}

func TestStandardInput(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	for _, tt := range []struct {
		item items.Item
		end  byte
		want string
	}{
		{items.Item{Text: []byte("n\x00l"), Ended: true}, '\n', "<n\x00l\n>"},
		{items.Item{Text: []byte("last")}, '\n', "<last>"},
		{items.Item{Text: []byte("z"), Ended: true}, 0, "<z\x00>"},
		{items.Item{Text: bytes.Repeat([]byte("x"), 1<<20), Ended: true}, '\n', "<" + strings.Repeat("x", 1<<20) + "\n>"},
	} {
		c := as(t, "cat")
		c.Stdin, c.End = true, tt.end
		e := c.Run(Stop{}, tt.item)
		if out, _ := wrote(t, e); e.Err != nil || out != tt.want {
			t.Errorf("%+v: wrote %.40q, want %.40q", e, out, tt.want)
		}
		if inFile := e.Output.Stdout.file != nil; inFile != (len(tt.want) > inMemory) {
			t.Errorf("%d bytes are in a file: %v", len(tt.want), inFile)
		}
		e.Output.Discard()
		if left, _ := os.ReadDir(temp); len(left) > 0 {
			t.Errorf("files are left: %v", left)
		}
	}
}

// A command that does not read its input is none of its faults.
func TestInputThatIsNotRead(t *testing.T) {
	c := as(t, "exit")
	c.Stdin = true
	c.Words = append(c.Words, "0")
	if e := c.Run(Stop{}, item(strings.Repeat("x", 1<<20))); e.Err != nil {
		t.Errorf("%+v", e)
	}
}

func TestExit(t *testing.T) {
	for _, code := range []string{"0", "1", "255"} {
		e := as(t, "exit").Run(Stop{}, item(code))
		if (e.Err == nil) != (code == "0") || e.Signal != 0 || code != "0" && e.Err.Error() != "exit status "+code {
			t.Errorf("%s: %+v", code, e)
		}
	}
	if e := as(t, "kill").Run(Stop{}, item("")); e.Err == nil || e.Code == 0 {
		t.Errorf("killed: %+v", e)
	}
}

func TestCommandThatCannotRun(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, notFound := range map[string]bool{"no-such-command": true, plain + "er": true, plain: false} {
		var no *NotRunnableError
		c := &Command{Template: Template{Words: []string{name}}}
		if err := c.Find(); !errors.As(err, &no) || no.NotFound() != notFound {
			t.Errorf("%s: %v, not found is %v", name, err, no != nil && no.NotFound())
		}
	}
}

// An item that no command can be given is that item's failure and no other's.
func TestItemThatIsNoArgument(t *testing.T) {
	c := as(t, "echo")
	for text, want := range map[string]string{strings.Repeat("x", 1<<20): "too long", "n\x00l": "NUL"} {
		e := c.Run(Stop{}, item(text))
		var no *NotRunnableError
		if e.Err == nil || errors.As(e.Err, &no) || !strings.Contains(e.Err.Error(), want) {
			t.Errorf("%.10q: %v, want %q", text, e.Err, want)
		}
	}
}
