package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// repository is a copy of the repository, to be spoilt.
type repository struct{ dir string }

// copyOf copies what git has of the repository, as it is in the work tree, into an empty directory.
func copyOf(ctx context.Context, root, dir string) (*repository, error) {
	list, err := output(ctx, root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(string(list), "\x00") {
		if name == "" {
			continue
		}
		if err := copyFile(filepath.Join(root, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("copy: %w", err)
		}
	}
	return &repository{dir}, nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// with spoils the copy by the patch while f runs.
func (r *repository) with(ctx context.Context, m *mutant, f func() error) (err error) {
	if _, err := output(ctx, r.dir, "git", "apply", m.File); err != nil {
		return fmt.Errorf("stale mutant: the patch does not apply any more: %w", err)
	}
	defer func() {
		if _, undo := output(context.WithoutCancel(ctx), r.dir, "git", "apply", "--reverse", m.File); undo != nil {
			err = errors.Join(err, fmt.Errorf("undo the patch: %w", undo))
		}
	}()
	return f()
}

// compiles says whether the packages that the patch changes compile.
func (r *repository) compiles(ctx context.Context, m *mutant) error {
	packages := []string{"build"}
	for _, file := range m.Files {
		if strings.HasSuffix(file, ".go") {
			packages = append(packages, "./"+filepath.Dir(file))
		}
	}
	if len(packages) == 1 {
		return nil
	}
	_, err := output(ctx, r.dir, "go", packages...)
	return err
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// has says whether the package has a test on a real part that the pattern names.
func (r *repository) has(t trial) error {
	top, _, _ := strings.Cut(t.Run, "/")
	pattern, err := regexp.Compile(top)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(r.dir, t.Package, "*_real_test.go"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, match := range testFunc.FindAllSubmatch(text, -1) {
			if pattern.Match(match[1]) && bytes.Contains(match[1], []byte("Real")) {
				return nil
			}
		}
	}
	return fmt.Errorf("stale mutant: no test of the real tier in %s is named %s", t.Package, top)
}

// output runs a command in dir. Its error holds what the command has said.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	// The copy's own workspace; and a copy inside a checkout is no part of it to git.
	cmd.Env = append(os.Environ(), "GOWORK=", "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", name, args[0], err, said.Bytes(), out.Bytes())
	}
	return out.Bytes(), nil
}
