package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+?) *$`)
	fences  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	dropped = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// deadLinks names the links of a document that lead to no file of the checkout, or to no heading of a page.
func deadLinks(root, name, text string) error {
	var dead []error
	for _, m := range link.FindAllStringSubmatch(fences.ReplaceAllString(text, ""), -1) {
		if strings.Contains(m[1], "://") {
			continue
		}
		path, anchor, _ := strings.Cut(m[1], "#")
		file, page := filepath.Join(root, name), text
		if path != "" {
			file = filepath.Join(root, filepath.Dir(name), path)
			if _, err := os.Stat(file); err != nil {
				dead = append(dead, fmt.Errorf("link %s: %w", m[1], err))
				continue
			}
		}
		if anchor == "" {
			continue
		}
		if path != "" {
			content, err := os.ReadFile(file)
			if err != nil {
				dead = append(dead, fmt.Errorf("link %s: %w", m[1], err))
				continue
			}
			page = string(content)
		}
		if !anchors(page)[anchor] {
			dead = append(dead, fmt.Errorf("link %s: no heading is called so", m[1]))
		}
	}
	return errors.Join(dead...)
}

// anchors are the names of a page's headings, as GitHub makes them.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fences.ReplaceAllString(page, ""), -1) {
		all[strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return all
}
