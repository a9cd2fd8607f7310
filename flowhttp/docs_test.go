package flowhttp_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every program of the guide that says what it prints prints that.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)```go\n(package main\n.*?)```\n\nIt prints `(.*?)`").FindAllSubmatch(guide, -1)
	if len(programs) == 0 {
		t.Fatal("the guide has no program")
	}
	for _, p := range programs {
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, p[1], 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("go", "run", file).CombinedOutput()
		if got, want := strings.TrimSpace(string(out)), string(p[2]); err != nil || got != want {
			t.Errorf("%v: it prints %q, the guide says %q", err, got, want)
		}
	}
}
