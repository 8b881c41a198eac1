// Records what the processors of the OpenTelemetry Collector do with a request.
//
// In an empty folder with this file:
//
//	go mod init record
//	contrib=github.com/open-telemetry/opentelemetry-collector-contrib/processor
//	go get $contrib/redactionprocessor@v0.161.0 $contrib/attributesprocessor@v0.161.0 $contrib/filterprocessor@v0.161.0
//	go mod tidy
//	go run . cases.yaml traces.json > recorded.jsonl
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/attributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/redactionprocessor"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"gopkg.in/yaml.v3"
)

func run(kind string, block map[string]any, request []byte) (string, error) {
	factories := map[string]processor.Factory{
		"redaction":  redactionprocessor.NewFactory(),
		"attributes": attributesprocessor.NewFactory(),
		"filter":     filterprocessor.NewFactory(),
	}
	factory := factories[kind]
	config := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(block).Unmarshal(config); err != nil {
		return "", err
	}
	if err := confmap.Validate(config); err != nil {
		return "", err
	}
	sink := new(consumertest.TracesSink)
	traces, err := factory.CreateTraces(context.Background(), processortest.NewNopSettings(factory.Type()), config, sink)
	if err != nil {
		return "", err
	}
	if err := traces.Start(context.Background(), componenttest.NewNopHost()); err != nil {
		return "", err
	}
	input, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(request)
	if err != nil {
		return "", err
	}
	if err := traces.ConsumeTraces(context.Background(), input); err != nil {
		return "", err
	}
	out := ptrace.NewTraces()
	for _, traces := range sink.AllTraces() {
		traces.ResourceSpans().MoveAndAppendTo(out.ResourceSpans())
	}
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(out)
	return string(text), err
}

func main() {
	cases, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	request, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(cases)))
	for {
		var document map[string]map[string]any
		if err := decoder.Decode(&document); err != nil {
			return
		}
		for name, block := range document {
			kind, _, _ := strings.Cut(name, "/")
			text, err := run(kind, block, request)
			line := map[string]any{"case": name}
			if err != nil {
				line["error"] = err.Error()
			} else {
				line["request"] = json.RawMessage(text)
			}
			encoded, err := json.Marshal(line)
			if err != nil {
				panic(err)
			}
			fmt.Println(string(encoded))
		}
	}
}
