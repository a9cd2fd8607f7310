package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Help fits a screen: what -h prints one of 24 lines, and all there is a larger one.
func TestHelpFitsAScreen(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"run", "-h"}, {"plan", "-h"}, {"check", "-h"}, {"run", "--help"}, {"plan", "--help"}, {"check", "-help"}} {
		rows, columns := 24, 80
		if args[len(args)-1] != "-h" {
			rows, columns = 40, 86
		}
		var out strings.Builder
		if status := execute(args, console{out: &out, err: io.Discard}); status != 0 {
			t.Errorf("%v: exit status %d", args, status)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) > rows || !strings.Contains(out.String(), "examples:") || !strings.HasPrefix(out.String(), "usage: flowguard") {
			t.Errorf("%v: %d lines\n%s", args, len(lines), out.String())
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > columns {
				t.Errorf("%v: %d columns: %s", args, n, line)
			}
		}
	}
}

// Every command in the help and in the guides can be run as it stands there: its flags exist and their
// values are read.
func TestDocumentedCommands(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	texts := map[string]string{"help": rootHelp}
	for _, sub := range newRoot(console{}).Commands() {
		texts["help of "+sub.Name()] = sub.Example
	}
	for _, name := range []string{"README.md", "../../docs/command.md"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(data)
	}
	count := 0
	for name, text := range texts {
		for _, line := range strings.Split(text, "\n") {
			_, args, found := strings.Cut(line, "flowguard ")
			if !strings.HasPrefix(line, "  ") || !found || strings.Contains(args, "[") || strings.Contains(line, "go install") {
				continue
			}
			args, _, _ = strings.Cut(args, " | ")
			args, _, _ = strings.Cut(args, " > ")
			out, err := exec.Command(bash, "-c", `printf '%s\0' `+args).Output()
			if err != nil {
				t.Errorf("%s: bash cannot read %s", name, line)
				continue
			}
			count++
			if err := parses(strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")); err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
			}
		}
	}
	if count < 20 {
		t.Errorf("found %d commands only", count)
	}
}

// parses reads a command line and runs nothing.
func parses(args []string) error {
	root := newRoot(console{out: io.Discard, err: io.Discard})
	for _, sub := range root.Commands() {
		if sub.RunE != nil && sub.Name() != "completion" {
			sub.RunE = func(*cobra.Command, []string) error { return nil }
		}
	}
	root.SetOut(io.Discard)
	root.SetArgs(doubleDashes(root, args))
	return root.Execute()
}

// Every flag is in the README, or of those whose meaning is in the help alone.
func TestFlagsInREADME(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	inHelp := map[string]bool{"quiet": true, "trace": true, "help": true, "jobs": true, "null": true, "takes": true, "at-once": true, "ungroup": true, "replace": true, "all": true}
	for _, sub := range newRoot(console{}).Commands() {
		sub.Flags().VisitAll(func(f *pflag.Flag) {
			if !inHelp[f.Name] && !strings.Contains(string(data), "-"+f.Name) {
				t.Errorf("--%s of %s is not in the README", f.Name, sub.Name())
			}
		})
	}
}
