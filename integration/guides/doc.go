// Command guides runs the commands of README.md, CONTRIBUTING.md, SECURITY.md, services/tserver/README.md and docs/*.md, each document's from top to
// bottom in a clean copy of the checkout, and holds the output that a document shows against what comes.
//
// What a fenced block is stands behind the fence:
//
//	sh                 is run; what it exports, its functions, and where it goes are there for the blocks after it
//	sh background      is run, and goes on while the blocks after it are; it must show its output, which is waited for
//	sh cluster         is not run: it is for an installation that no test has, a Kubernetes cluster for one
//	sh tested-by=FILE  is run by FILE, a script that names the document or has the same commands
//	text output        must come from the block of commands before it: each line, in this order; ports may differ
//
// Any other block must name its language; one that is indented, not fenced, is refused. A line <!-- docs-test: COMMAND --> is run like a block of its own: what a
// reader has already, and a clean directory has not. Links between the pages must lead somewhere.
//
//	guides ROOT WORK [DOCUMENT...]    ROOT is the checkout, WORK an empty directory
package main
