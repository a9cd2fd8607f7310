package doctest

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// published is the version under which publish publishes all modules. Those that need the library require this
// version of it.
const published = "v0.1.0"

var modulePath = regexp.MustCompile(`(?m)^module (\S+)$`)

// unreleased is the version of the library that a module requires until its own release; see CONTRIBUTING.md.
const unreleased = "v0.0.0-00010101000000-000000000000"

var replaced = regexp.MustCompile(`(?m)^replace .*\n`)

// publish writes the modules below root to a folder from which Go can get them as from a proxy. So "go get" and "go
// install" are tried before there is a release.
func publish(root, proxy string) error {
	return filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && entry.Name() == ".git" {
			return skip(err)
		}
		if entry.Name() != "go.mod" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		found := modulePath.FindSubmatch(text)
		if found == nil {
			return nil
		}
		// A release replaces nothing, and requires the library as it is released.
		mod := replaced.ReplaceAllString(strings.ReplaceAll(string(text), unreleased, published), "")
		return publishModule(filepath.Dir(name), string(found[1]), mod, filepath.Join(proxy, filepath.FromSlash(string(found[1])), "@v"))
	})
}

// skip skips a folder, unless there is an error.
func skip(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}

// publishModule writes the files that Go asks a proxy for.
func publishModule(folder, module, mod, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"list":              published + "\n",
		published + ".info": fmt.Sprintf("{%q: %q}\n", "Version", published),
		published + ".mod":  mod,
	} {
		if err := os.WriteFile(filepath.Join(to, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(to, published+".zip"))
	if err != nil {
		return err
	}
	defer file.Close()
	z := zip.NewWriter(file)
	err = filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil && name != folder || entry.Name() == ".git" {
				return filepath.SkipDir // another module
			}
			return nil
		}
		if !entry.Type().IsRegular() || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		below, err := filepath.Rel(folder, name)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		w, err := z.Create(path.Join(module+"@"+published, filepath.ToSlash(below)))
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	return z.Close()
}
