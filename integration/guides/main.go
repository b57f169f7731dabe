package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := try(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "guides:", err)
		os.Exit(1)
	}
}

func try(args []string) error {
	if len(args) < 2 {
		return errors.New("the arguments are the checkout and an empty directory")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root, work, documents := args[0], args[1], args[2:]
	if len(documents) == 0 {
		pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
		if err != nil {
			return err
		}
		documents = []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/dashboards/README.md", "services/tserver/README.md"}
		for _, p := range pages {
			documents = append(documents, "docs/"+filepath.Base(p))
		}
	}
	var failed []error
	passed := 0
	for _, d := range documents {
		if err := tryDocument(ctx, root, work, d); err != nil {
			fmt.Printf("FAIL %s: %v\n", d, err)
			failed = append(failed, fmt.Errorf("%s: see above", d))
			continue
		}
		passed++
	}
	fmt.Printf("%d passed, %d failed\n", passed, len(failed))
	return errors.Join(failed...)
}

func tryDocument(ctx context.Context, root, work, name string) error {
	began := time.Now()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return err
	}
	all, err := blocks(string(text))
	if err != nil {
		return err
	}
	if err := deadLinks(root, name, string(text)); err != nil {
		return err
	}
	others, skipped := 0, 0
	for _, b := range all {
		switch b.kind {
		case elsewhere:
			others++
			if err := testedElsewhere(root, name, b); err != nil {
				return fmt.Errorf("line %d: %w", b.line, err)
			}
		case cluster:
			skipped++
		}
	}
	ran := 0
	if slices.ContainsFunc(all, func(b block) bool { return b.kind == run || b.kind == background }) {
		directory := filepath.Join(work, strings.ReplaceAll(name, "/", "-"))
		copied := filepath.Join(directory, "ringback")
		if err := checkout(ctx, root, copied); err != nil {
			return err
		}
		r := newReader(copied, directory, os.Environ())
		if err := r.read(ctx, all); err != nil {
			return err
		}
		ran = r.ran
		if err := os.RemoveAll(directory); err != nil {
			return err
		}
	}
	fmt.Printf("ok   %-28s %2d run, %2d run by other tests, %2d for a cluster; %.1f s\n", name, ran, others, skipped, time.Since(began).Seconds())
	return nil
}
