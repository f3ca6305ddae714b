package history

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCallsStandInOrderOfArrival(t *testing.T) {
	var l Log
	first, second, third := l.Begin(), l.Begin(), l.Begin()
	l.End(Call{Seq: second, Operation: "B"})
	l.End(Call{Seq: third, Operation: "A"})
	l.End(Call{Seq: first, Operation: "A"})
	assert.Equal(t, []Call{{Seq: 1, Operation: "A"}, {Seq: 2, Operation: "B"}, {Seq: 3, Operation: "A"}}, l.Calls())
	assert.Equal(t, []Call{{Seq: 1, Operation: "A"}, {Seq: 3, Operation: "A"}}, l.Calls("A", "C"))
	l.Clear()
	assert.Empty(t, l.Calls())
	assert.Equal(t, 4, l.Begin(), "numbering goes on")
}

func TestTheOldestCallsGoFirst(t *testing.T) {
	var l Log
	for range maxCalls + 1 {
		l.End(Call{Seq: l.Begin()})
	}
	calls := l.Calls()
	assert.Len(t, calls, maxCalls-maxCalls/10)
	assert.Equal(t, maxCalls+1, calls[len(calls)-1].Seq)
}

func TestLast(t *testing.T) {
	var l Log
	assert.Empty(t, l.Last(2))
	for range 3 {
		l.End(Call{Seq: l.Begin()})
	}
	assert.Equal(t, []Call{{Seq: 2}, {Seq: 3}}, l.Last(2))
	assert.Len(t, l.Last(9), 3)
}
