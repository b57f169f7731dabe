package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

type kind int

const (
	run kind = iota
	background
	cluster   // not run at all
	elsewhere // run by another test
	output
	other
)

type block struct {
	line int
	kind kind
	by   string // elsewhere: the test
	text string
}

var languages = []string{"text", "json", "yaml", "sql", "sqlite", "postgresql", "promql", "mermaid", "go", "avro"}

// blocks reads the fenced blocks of a document, and its hidden commands. A block that is indented says nowhere whether it
// is commands, and would be run by nobody.
func blocks(document string) ([]block, error) {
	var all []block
	var open *block
	indent, before := "", ""
	for i, line := range strings.Split(document, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case open != nil && trimmed == "```":
			all, open = append(all, *open), nil
		case open != nil:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		case strings.HasPrefix(trimmed, "```"):
			b, err := classify(strings.TrimPrefix(trimmed, "```"))
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			b.line, open, indent = i+1, &b, line[:len(line)-len(trimmed)]
		case strings.HasPrefix(line, "<!-- docs-test: "):
			command, ok := strings.CutSuffix(strings.TrimPrefix(line, "<!-- docs-test: "), " -->")
			if !ok {
				return nil, fmt.Errorf("line %d: the hidden command does not end on its line", i+1)
			}
			all = append(all, block{line: i + 1, text: command + "\n"})
		case trimmed != "" && before == "" && (strings.HasPrefix(line, "    ") || strings.HasPrefix(trimmed, "\t")):
			return nil, fmt.Errorf("line %d: the block is indented, not fenced: %s", i+1, trimmed)
		}
		before = trimmed
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the block does not end", open.line)
	}
	return all, paired(all)
}

func classify(info string) (block, error) {
	language, mark, _ := strings.Cut(info, " ")
	by, tested := strings.CutPrefix(mark, "tested-by=")
	switch {
	case info == "sh":
		return block{kind: run}, nil
	case info == "sh background":
		return block{kind: background}, nil
	case info == "sh cluster":
		return block{kind: cluster}, nil
	case language == "sh" && tested:
		return block{kind: elsewhere, by: by}, nil
	case info == "text output":
		return block{kind: output}, nil
	case slices.Contains(languages, info):
		return block{kind: other}, nil
	case info == "":
		return block{}, fmt.Errorf("the block names no language: sh for commands, text for anything else")
	}
	return block{}, fmt.Errorf("%q: is no kind of block that is known here", info)
}

// paired sees to it that an output has a block that it comes from, and a background block an output.
func paired(all []block) error {
	last := -1
	for i, b := range all {
		if b.kind == output && (last < 0 || all[last].kind != run && all[last].kind != background) {
			return fmt.Errorf("line %d: the output is of no block that is run", b.line)
		}
		if b.kind == background && outputOf(all, i) == nil {
			return fmt.Errorf("line %d: a block in the background must show its output, or nobody knows when it is ready", b.line)
		}
		if b.kind < output {
			last = i
		}
	}
	return nil
}

// outputOf finds what block i must print: the output before the next block of commands.
func outputOf(all []block, i int) *block {
	for j := i + 1; j < len(all) && (all[j].kind == output || all[j].kind == other); j++ {
		if all[j].kind == output {
			return &all[j]
		}
	}
	return nil
}

// testedElsewhere checks that the test named by a block is there and knows of the document, or of the commands.
func testedElsewhere(root, document string, b block) error {
	test, err := os.ReadFile(filepath.Join(root, b.by))
	if err != nil {
		return err
	}
	if strings.Contains(string(test), document) {
		return nil
	}
	for command := range strings.Lines(b.text) {
		command, _, _ = strings.Cut(command, "#")
		if command = strings.TrimSpace(command); !strings.Contains(string(test), command) {
			return fmt.Errorf("%s neither names %s nor has %q", b.by, document, command)
		}
	}
	return nil
}
