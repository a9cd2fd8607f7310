package doctest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/api.md gives each exported name a reason, and no name that there is not.
func TestAPIPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/api.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		folder, text, _ := strings.Cut(section, "\n")
		sections[folder] = true
		named := map[string]bool{}
		for _, m := range regexp.MustCompile("`([A-Z]\\w*)`").FindAllStringSubmatch(text, -1) {
			named[m[1]] = true
		}
		exported := exportedBy(t, filepath.Join(root, folder))
		for _, name := range slices.Sorted(maps.Keys(exported)) {
			if !named[name] {
				t.Errorf("docs/api.md gives no reason for %s of package %s", name, folder)
			}
		}
		for name := range named {
			if !exported[name] {
				t.Errorf("docs/api.md names %s, which package %s does not have", name, folder)
			}
		}
	}
	r, err := explore(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.packages {
		folder := strings.TrimPrefix(strings.TrimPrefix(p, r.modules[0].path), "/")
		if len(exportedBy(t, filepath.Join(root, folder))) > 0 && !sections[folder] {
			t.Errorf("docs/api.md has no section for package %s", folder)
		}
	}
}

// exportedBy returns the names that a package exports, without those of methods and fields. A program exports none.
func exportedBy(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	add := func(id *ast.Ident) {
		if id.IsExported() {
			names[id.Name] = true
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if file.Name.Name == "main" {
			return nil
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					add(d.Name)
				}
			case *ast.GenDecl:
				addSpecs(d.Specs, add)
			}
		}
	}
	return names
}

func addSpecs(specs []ast.Spec, add func(*ast.Ident)) {
	for _, spec := range specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			add(spec.Name)
		case *ast.ValueSpec:
			for _, id := range spec.Names {
				add(id)
			}
		}
	}
}
