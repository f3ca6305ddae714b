package sqs

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func store(t *testing.T, queue string, attributes map[string]string) *Store {
	t.Helper()
	s := New("123456789012", "eu-central-1", time.Now, rand.New(rand.NewPCG(1, 1)))
	require.NoError(t, s.Create(queue, attributes))
	return s
}

func TestALongPollEndsWhenAMessageBecomesVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store(t, "jobs", map[string]string{"VisibilityTimeout": "3"})
		begun, wait := time.Now(), 20*time.Second
		_, err := s.Send("jobs", Outgoing{Body: "work", Delay: new(2)})
		require.NoError(t, err)
		for _, at := range []time.Duration{2 * time.Second, 5 * time.Second, 8 * time.Second} {
			got, err := s.Receive(t.Context(), "jobs", Receiving{Most: 1, Wait: &wait})
			require.NoError(t, err)
			require.Len(t, got, 1)
			assert.Equal(t, at, time.Since(begun))
		}
	})
}

func TestALongPollEndsWhenItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store(t, "jobs", map[string]string{"ReceiveMessageWaitTimeSeconds": "5"})
		begun, none := time.Now(), time.Duration(0)
		got, err := s.Receive(t.Context(), "jobs", Receiving{Most: 1})
		require.NoError(t, err)
		assert.Empty(t, got)
		assert.Equal(t, 5*time.Second, time.Since(begun), "that of the queue")
		_, err = s.Receive(t.Context(), "jobs", Receiving{Most: 1, Wait: &none})
		require.NoError(t, err)
		assert.Equal(t, 5*time.Second, time.Since(begun), "that of the call goes before it")
	})
}

func TestAGroupWaitsForItsFirstMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store(t, "jobs.fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
		begun, wait := time.Now(), 20*time.Second
		for _, body := range []string{"one", "two"} {
			_, err := s.Send("jobs.fifo", Outgoing{Body: body, Group: "a"})
			require.NoError(t, err)
		}
		first, err := s.Receive(t.Context(), "jobs.fifo", Receiving{Most: 1})
		require.NoError(t, err)
		go func() {
			time.Sleep(4 * time.Second)
			assert.NoError(t, s.DeleteMessage("jobs.fifo", first[0].Handle))
		}()
		second, err := s.Receive(t.Context(), "jobs.fifo", Receiving{Most: 1, Wait: &wait})
		require.NoError(t, err)
		assert.Equal(t, "two", second[0].Body)
		assert.Equal(t, 4*time.Second, time.Since(begun))
	})
}

func TestPolicy(t *testing.T) {
	const (
		queue = "arn:aws:sqs:eu-central-1:123456789012:jobs"
		rule  = "arn:aws:events:eu-central-1:123456789012:rule/states"
	)
	statement := func(changed map[string]any) string {
		fields := map[string]any{
			"Effect":    "Allow",
			"Principal": map[string]any{"Service": "events.amazonaws.com"},
			"Action":    "sqs:SendMessage",
			"Resource":  queue,
		}
		for name, value := range changed {
			fields[name] = value
		}
		text, err := json.Marshal(map[string]any{"Statement": []any{fields}})
		require.NoError(t, err)
		return string(text)
	}
	condition := func(operator, key, value string) map[string]any {
		return map[string]any{"Condition": map[string]any{operator: map[string]any{key: value}}}
	}
	for _, test := range []struct {
		name, policy string
		want         bool
	}{
		{"the service may", statement(nil), true},
		{"everybody may", statement(map[string]any{"Principal": "*"}), true},
		{"a list of actions", statement(map[string]any{"Action": []string{"sqs:Send*"}}), true},
		{"this rule may", statement(condition("ArnEquals", "aws:SourceArn", rule)), true},
		{"rules like it may", statement(condition("ArnLike", "aws:SourceArn", "arn:aws:events:*:rule/s*")), true},
		{"the account's rules may", statement(condition("StringEquals", "aws:SourceAccount", "123456789012")), true},
		{"another rule may", statement(condition("ArnEquals", "aws:SourceArn", rule+"x")), false},
		{"a condition that is not known", statement(condition("Bool", "aws:SecureTransport", "true")), false},
		{"another service may", statement(map[string]any{"Principal": map[string]any{"Service": "sns.amazonaws.com"}}),
			false},
		{"another action", statement(map[string]any{"Action": "sqs:ReceiveMessage"}), false},
		{"another queue", statement(map[string]any{"Resource": queue + "2"}), false},
		{"it denies", statement(map[string]any{"Effect": "Deny"}), false},
		{"no statement", `{"Statement": []}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p policy
			require.NoError(t, json.Unmarshal([]byte(test.policy), &p))
			assert.Equal(t, test.want, p.allows("events.amazonaws.com", queue, rule, "123456789012"))
		})
	}
	assert.False(t, (*policy)(nil).allows("events.amazonaws.com", queue, rule, "123456789012"))
}

func TestLike(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"abc", "abc", true}, {"abc", "abcd", false}, {"a*c", "abbc", true}, {"a*c", "ac", true}, {"*", "", true},
		{"a*b*c", "axbxbxc", true}, {"a*b*c", "axc", false}, {"*c", "cb", false},
	} {
		assert.Equal(t, test.want, like(test.pattern, test.text), "%s %s", test.pattern, test.text)
	}
}
