package doctest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	codes   = regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]*`")
)

// BrokenLinks returns the links of Markdown files that lead to no file, or to no heading in one. It follows no links
// to other sites.
func BrokenLinks(files ...string) (problems []string, err error) {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, found := range link.FindAllStringSubmatch(codes.ReplaceAllString(string(text), ""), -1) {
			if target := found[1]; !strings.Contains(target, "://") && !leads(file, target) {
				problems = append(problems, fmt.Sprintf("%s: the link to %s leads nowhere", file, target))
			}
		}
	}
	return problems, nil
}

// leads reports whether the target of a link in a file exists.
func leads(from, target string) bool {
	name, anchor, _ := strings.Cut(target, "#")
	file := from
	if name != "" {
		file = filepath.Join(filepath.Dir(from), filepath.FromSlash(name))
	}
	if _, err := os.Stat(file); err != nil {
		return false
	}
	if anchor == "" {
		return true
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for _, h := range heading.FindAllStringSubmatch(codes.ReplaceAllStringFunc(string(text), codeInHeading), -1) {
		if anchorOf(h[1]) == anchor {
			return true
		}
	}
	return false
}

// codeInHeading keeps the words of code within a line. A block has lines that look like headings.
func codeInHeading(code string) string {
	if strings.HasPrefix(code, fence) {
		return ""
	}
	return strings.Trim(code, "`")
}

// anchorOf returns the anchor of a heading as GitHub makes it.
func anchorOf(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(heading) {
		switch {
		case r == ' ':
			b.WriteRune('-')
		case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
			b.WriteRune(r)
		}
	}
	return b.String()
}
