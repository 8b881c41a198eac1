// Measures the processor tail_sampling of the Collector, called as the Collector calls it.
//
// Arguments: the file of requests, the file of policies, the name of a row. Prints what the row measures, the spans that came in, and
// those that were sampled.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/tailsamplingprocessor"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

func main() {
	requests := frames(read(os.Args[1]))
	policies, row := read(os.Args[2]), os.Args[3]
	switch row {
	case "append":
		best(func() sample { return appended(requests, policies) })
	case "append-bytes":
		best(func() sample { return received(requests, policies) })
	case "decide":
		best(func() sample { return decided(requests, policies) })
	case "late":
		report(late(requests, policies))
	case "memory":
		report(memory(requests, policies, live))
	case "resident":
		report(memory(requests, policies, rss))
	default:
		fail(fmt.Errorf("no row %q", row))
	}
}

type sample struct {
	value   float64
	in, out int64
}

// best repeats a measurement and prints the shortest.
func best(measure func() sample) {
	least := measure()
	for range 2 {
		if next := measure(); next.value < least.value {
			least = next
		}
	}
	report(least)
}

// now returns the processor time of this process, which others on the machine do not change; with several CPUs the time of day.
func now() time.Duration {
	if runtime.GOMAXPROCS(0) > 1 {
		return time.Since(started)
	}
	var used unix.Timespec
	check(unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &used))
	return time.Duration(used.Nano())
}

var started = time.Now()

func report(s sample) { fmt.Printf("%.1f %d %d\n", s.value, s.in, s.out) }

// appended returns the time of storing new traces, without the decoding of the requests.
func appended(requests [][]byte, policies []byte) sample {
	p := start(policies)
	var took time.Duration
	var in int64
	for _, request := range requests {
		traces := decoded(request)
		in += int64(traces.SpanCount())
		from := now()
		p.consume(traces)
		p.drain()
		took += now() - from
	}
	p.stop()
	return sample{float64(took.Nanoseconds()), in, p.out()}
}

// received returns the time of decoding requests and storing new traces, with a sender for each CPU.
func received(requests [][]byte, policies []byte) sample {
	p := start(policies)
	var in atomic.Int64
	var senders sync.WaitGroup
	begun := now()
	count := runtime.GOMAXPROCS(0)
	for number := range count {
		senders.Go(func() {
			for index := number; index < len(requests); index += count {
				traces := decoded(requests[index])
				in.Add(int64(traces.SpanCount()))
				p.consume(traces)
			}
		})
	}
	senders.Wait()
	p.drain()
	took := now() - begun
	p.stop()
	return sample{float64(took.Nanoseconds()), in.Load(), p.out()}
}

// decided returns the time of all decisions: a shutdown decides all traces.
func decided(requests [][]byte, policies []byte) sample {
	p := start(policies)
	in := p.fill(requests)
	runtime.GC()
	took := p.stop()
	return sample{float64(took.Nanoseconds()), in, p.out()}
}

// late returns the time of spans whose traces are in the cache of decisions.
func late(requests [][]byte, policies []byte) sample {
	p := start(policies)
	in := p.fill(requests)
	time.Sleep(3500 * time.Millisecond)
	var least time.Duration
	for pass := range 3 {
		var took time.Duration
		for _, request := range requests {
			traces := decoded(request)
			from := now()
			p.consume(traces)
			p.drain()
			took += now() - from
		}
		if pass == 0 || took < least {
			least = took
		}
	}
	p.stop()
	return sample{float64(least.Nanoseconds()), in, p.out()}
}

// memory returns the bytes of waiting traces.
func memory(requests [][]byte, policies []byte, measured func() uint64) sample {
	p := start(policies)
	before := measured()
	in := p.fill(requests)
	bytes := measured() - before
	p.stop()
	return sample{float64(bytes), in, p.out()}
}

func live() uint64 {
	runtime.GC()
	debug.FreeOSMemory()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func rss() uint64 {
	var pages, resident uint64
	if _, err := fmt.Sscan(string(read("/proc/self/statm")), &pages, &resident); err != nil {
		fail(err)
	}
	return resident * uint64(os.Getpagesize())
}

type running struct {
	processor processor.Traces
	sink      *sink
	sentinel  ptrace.Traces
}

func start(policies []byte) *running {
	factory := tailsamplingprocessor.NewFactory()
	config := factory.CreateDefaultConfig()
	retrieved, err := confmap.NewRetrievedFromYAML(policies)
	check(err)
	conf, err := retrieved.AsConf()
	check(err)
	check(conf.Unmarshal(config))
	settings := processor.Settings{
		ID: component.NewIDWithName(factory.Type(), "bench"),
		TelemetrySettings: component.TelemetrySettings{
			Logger:         zap.NewNop(),
			TracerProvider: tracenoop.NewTracerProvider(),
			MeterProvider:  metricnoop.NewMeterProvider(),
			Resource:       pcommon.NewResource(),
		},
	}
	sink := &sink{}
	p, err := factory.CreateTraces(context.Background(), settings, config, sink)
	check(err)
	check(p.Start(context.Background(), host{}))
	// One trace without attributes, of which no policy samples anything.
	sentinel := ptrace.NewTraces()
	span := sentinel.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID(pcommon.TraceID{255})
	return &running{p, sink, sentinel}
}

func (p *running) consume(traces ptrace.Traces) {
	check(p.processor.ConsumeTraces(context.Background(), traces))
}

// drain returns when everything before it has left the queues, which have one place for each CPU, and was stored. A trace is in the
// queue of one shard only: with several, a remainder of the others may be left.
func (p *running) drain() {
	for range runtime.NumCPU() + 2 {
		p.consume(p.sentinel)
	}
}

func (p *running) fill(requests [][]byte) int64 {
	var in int64
	for _, request := range requests {
		traces := decoded(request)
		in += int64(traces.SpanCount())
		p.consume(traces)
	}
	p.drain()
	return in
}

func (p *running) stop() time.Duration {
	begun := now()
	check(p.processor.Shutdown(context.Background()))
	return now() - begun
}

func (p *running) out() int64 { return p.sink.spans.Load() }

type sink struct{ spans atomic.Int64 }

func (*sink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (s *sink) ConsumeTraces(_ context.Context, traces ptrace.Traces) error {
	s.spans.Add(int64(traces.SpanCount()))
	return nil
}

type host struct{}

func (host) GetExtensions() map[component.ID]component.Component { return nil }

func decoded(request []byte) ptrace.Traces {
	traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(request)
	check(err)
	return traces
}

// frames returns the requests, each with its length of four bytes in front.
func frames(bytes []byte) [][]byte {
	var all [][]byte
	for len(bytes) > 0 {
		length := binary.BigEndian.Uint32(bytes)
		all = append(all, bytes[4:4+length])
		bytes = bytes[4+length:]
	}
	return all
}

func read(path string) []byte {
	bytes, err := os.ReadFile(path)
	check(err)
	return bytes
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, strings.TrimSpace(err.Error()))
	os.Exit(1)
}
