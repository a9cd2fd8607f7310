package line

import (
	"fmt"
	"testing"
)

// One flow, and no line: what a scheduler does for each permit that it grants at once.
func BenchmarkOneFlow(b *testing.B) {
	var lines Lines
	p := NewPlace()
	for b.Loop() {
		lines.Push(p, 1, nil)
		lines.First()
		lines.Serve()
	}
}

func BenchmarkOneFlowInLine(b *testing.B) {
	var lines Lines
	places := make([]Place, 100)
	for i := range places {
		lines.Push(&places[i], 1, nil)
	}
	for b.Loop() {
		p, _ := lines.First()
		lines.Serve()
		lines.Push(p, 1, nil)
	}
}

func BenchmarkOneNamedFlowInLine(b *testing.B) {
	var lines Lines
	f := &Flow{"a tenant", 1}
	places := make([]Place, 100)
	for i := range places {
		lines.Push(&places[i], 1, f)
	}
	for b.Loop() {
		p, _ := lines.First()
		lines.Serve()
		lines.Push(p, 1, f)
	}
}

func BenchmarkOneFlowRemove(b *testing.B) {
	var lines Lines
	places := make([]Place, 100)
	for i := range places {
		lines.Push(&places[i], 1, nil)
	}
	for i := 0; b.Loop(); i++ {
		p := &places[i*37%len(places)]
		lines.Remove(p, nil)
		lines.Push(p, 1, nil)
	}
}

func BenchmarkIssue(b *testing.B) {
	var lines Lines
	p := NewPlace()
	for b.Loop() {
		lines.Issue(p, 1)
	}
}

func BenchmarkManyFlowsInLine(b *testing.B) {
	var lines Lines
	flows, places := make([]Flow, 10_000), make([]Place, 20_000)
	for i := range places {
		f := &flows[i%len(flows)]
		*f = Flow{fmt.Sprint(i % len(flows)), 1}
		lines.Push(&places[i], 1, f)
	}
	for i := 0; b.Loop(); i++ {
		p, _ := lines.First()
		lines.Serve()
		lines.Push(p, 1, &flows[i%len(flows)])
	}
}

// Each ticket begins a flow, and each is the last of one.
func BenchmarkFlowsThatComeAndGo(b *testing.B) {
	var lines Lines
	flows, places := make([]Flow, 10_000), make([]Place, 10_000)
	for i := range places {
		flows[i] = Flow{fmt.Sprint(i), 1}
		lines.Push(&places[i], 1, &flows[i])
	}
	for i := 0; b.Loop(); i++ {
		p, _ := lines.First()
		lines.Serve()
		lines.Push(p, 1, &flows[i%len(flows)])
	}
}

func BenchmarkWeightAhead(b *testing.B) {
	for _, tickets := range []int{1, 2, 5} {
		b.Run(fmt.Sprintf("10000 flows of %d", tickets), func(b *testing.B) {
			lines := flowsOf(10_000, tickets)
			f := &Flow{"newcomer", 1}
			b.ReportAllocs()
			for b.Loop() {
				lines.WeightAhead(TurnOf(10), f)
			}
		})
	}
}

func BenchmarkAhead(b *testing.B) {
	lines := flowsOf(10_000, 1)
	f := &Flow{"newcomer", 1}
	b.ReportAllocs()
	for b.Loop() {
		lines.Ahead(TurnOf(10), f, func(*Place) {})
	}
}
