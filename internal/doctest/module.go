package doctest

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// module is a module of the repository: the library itself, or one of those beside it.
type module struct{ path, folder string }

// repository is the modules and packages that blocks can import.
type repository struct {
	modules  []module
	packages []string
}

// explore finds the modules and the packages below a folder that has a module.
func explore(root string) (r repository, err error) {
	root, err = filepath.Abs(root)
	if err != nil {
		return r, err
	}
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if slices.Contains([]string{".git", "cmd", "examples", "internal", "testdata"}, entry.Name()) {
			return filepath.SkipDir // nothing that a reader could import
		}
		if text, err := os.ReadFile(filepath.Join(name, "go.mod")); err == nil {
			line, _, _ := strings.Cut(string(text), "\n")
			r.modules = append(r.modules, module{strings.TrimSpace(strings.TrimPrefix(line, "module ")), name})
		}
		if files, _ := filepath.Glob(filepath.Join(name, "*.go")); len(files) > 0 {
			r.packages = append(r.packages, r.importPath(name))
		}
		return nil
	})
	return r, err
}

// importPath returns the path of the package in a folder. It belongs to the module found last that is above it.
func (r *repository) importPath(folder string) string {
	for _, m := range slices.Backward(r.modules) {
		if below, err := filepath.Rel(m.folder, folder); err == nil && filepath.IsLocal(below) {
			return path.Join(m.path, filepath.ToSlash(below))
		}
	}
	return ""
}

// usedBy returns the folders of the modules that the files import.
func (r *repository) usedBy(sources []string) (folders []string) {
	for i, m := range r.modules {
		used := i == 0 // the library, which the others are about
		for _, s := range sources {
			used = used || strings.Contains(s, `"`+m.path+`"`) || strings.Contains(s, `"`+m.path+`/`)
		}
		if used {
			folders = append(folders, m.folder)
		}
	}
	return folders
}
