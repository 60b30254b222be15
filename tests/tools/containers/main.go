// What `docker build --check` and `docker compose config` look at, without a daemon: the same libraries.
//
//	containers dockerfile FILE     prints each warning of BuildKit's linter; ends with 1 where there is any
//	containers compose FILE        prints the project as it is understood, as JSON
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/opencontainers/go-digest"
)

// Images are not looked up: each is an empty one for Linux.
type noImages struct{}

func (noImages) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, "", []byte(`{"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}`), nil
}

func checkDockerfile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	results, err := dockerfile2llb.DockerfileLint(context.Background(), text, dockerfile2llb.ConvertOpt{
		Config:       dockerui.Config{},
		MetaResolver: noImages{},
		SourceMap:    &llb.SourceMap{Definition: &llb.Definition{}, Filename: path, Language: "Dockerfile", Data: text},
	})
	if err != nil {
		return err
	}
	if results.Error != nil {
		return fmt.Errorf("%s", results.Error.Message)
	}
	for _, warning := range results.Warnings {
		fmt.Printf("%s:%d: %s: %s\n", path, line(warning), warning.RuleName, warning.Detail)
	}
	if len(results.Warnings) > 0 {
		return fmt.Errorf("%d warnings", len(results.Warnings))
	}
	return nil
}

func line(w lint.Warning) int32 {
	if w.Location == nil || len(w.Location.Ranges) == 0 {
		return 0
	}
	return w.Location.Ranges[0].Start.Line
}

func printCompose(path string) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithOsEnv, cli.WithEnvFiles(), cli.WithDotEnv, cli.WithResolvedPaths(true))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	text, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

func main() {
	err := fmt.Errorf("usage: containers dockerfile|compose FILE")
	if len(os.Args) == 3 && os.Args[1] == "dockerfile" {
		err = checkDockerfile(os.Args[2])
	} else if len(os.Args) == 3 && os.Args[1] == "compose" {
		err = printCompose(os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
