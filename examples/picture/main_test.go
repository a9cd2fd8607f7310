package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The pictures of the documentation are those that this program makes today.
func TestPicturesAreNotStale(t *testing.T) {
	for _, scene := range scenes {
		if raceEnabled && scene.file == "timeline-large.svg" {
			continue // it takes a minute there; the small one runs through the same code
		}
		want, err := scene.draw()
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "..", "docs", scene.file))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("docs/%s is stale; go run ./examples/picture -o docs", scene.file)
		}
	}
}

// The programs of the guide compile, and those that end run.
func TestGuide(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles and runs programs")
	}
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "pictures.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(guide), "```go\n")
	for n := 1; rest != ""; n++ {
		program, after, ok := strings.Cut(rest, "```\n")
		if !ok {
			t.Fatal("a program does not end")
		}
		_, rest, _ = strings.Cut(after, "```go\n")
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			folder := t.TempDir()
			name := "main.go"
			if strings.Contains(program, `"testing"`) {
				name = "demo_test.go"
			}
			file := filepath.Join(folder, name)
			if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
				t.Fatal(err)
			}
			command := []string{"run", file}
			switch {
			case name == "demo_test.go":
				command[0] = "test"
			case strings.Contains(program, "ListenAndServe"):
				command = []string{"build", "-o", folder, file}
			}
			cmd := exec.Command("go", command...)
			cmd.Dir = filepath.Join("..", "..")
			cmd.Env = append(os.Environ(), "TMPDIR="+folder)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
