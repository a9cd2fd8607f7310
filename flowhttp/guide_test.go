package flowhttp_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// programs returns the Go programs of a guide.
func programs(t *testing.T, guide string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(text), "```go\n")[1:] {
		program, _, _ := strings.Cut(block, "```")
		if strings.HasPrefix(program, "package main") {
			list = append(list, program)
		}
	}
	return list
}

// The programs of the guide compile, and the one that ends prints what the guide says.
func TestServerGuide(t *testing.T) {
	if testing.Short() {
		t.Skip("it calls the compiler")
	}
	const guide = "../docs/http-server.md"
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	_, printed, _ := strings.Cut(string(text), "It prints\n\n```text\n")
	printed, _, _ = strings.Cut(printed, "```")
	list := programs(t, guide)
	if len(list) != 2 {
		t.Fatalf("%d programs, want 2", len(list))
	}
	for i, program := range list {
		folder := t.TempDir()
		source, binary := filepath.Join(folder, "main.go"), filepath.Join(folder, "guide")
		if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
			t.Errorf("program %d: %v\n%s", i, err, out)
			continue
		}
		if i > 0 {
			continue // it serves until it is stopped
		}
		if out, err := exec.Command(binary).CombinedOutput(); err != nil || string(out) != printed {
			t.Errorf("program %d: %v\n%s\nthe guide says\n%s", i, err, out, printed)
		}
	}
}
