package agent

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecssd/ecssd/internal/container"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
)

type weights = map[string]int64

func TestStartAndStop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		c := web(1)
		w.engine.start(c)
		w.after(5 * time.Millisecond)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		assert.Equal(t, 1, w.zone.count())

		w.after(5 * time.Second)
		w.engine.kill(c, 15)
		w.after(5 * time.Millisecond)
		assert.Empty(t, w.zone.services(), "the signal is enough, the container has not died yet")
		w.after(5 * time.Second)
		w.engine.die(c)
		w.after(5 * time.Second)
		assert.Equal(t, 2, w.zone.count())
		host := record.Record{
			Name:   "ip-10-0-0-1.sd.internal",
			Type:   record.A,
			SetID:  "i-1:host:123456789012/eu-west-1",
			TTL:    60,
			Weight: 1,
			Value:  "10.0.0.1",
		}
		assert.Equal(t, map[record.Key]record.Record{host.Key(): host}, w.zone.all(), "the host keeps its name")
	})
}

func TestAnotherSignalThanTheStopSignalChangesNothing(t *testing.T) {
	for name, signal := range map[string]int{"SIGHUP": 1, "SIGTERM where the image says SIGQUIT": 15} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := web(1)
				if signal == 15 {
					c.StopSignal = 3
				}
				w.engine.start(c)
				w.run()
				w.after(5 * time.Second)
				w.engine.kill(c, signal)
				w.after(5 * time.Second)
				assert.Equal(t, weights{"web 1": 1}, w.zone.services())
				w.engine.kill(c, 9)
				w.after(time.Millisecond)
				assert.Empty(t, w.zone.services(), "SIGKILL ends every container")
			})
		})
	}
}

func TestRestartOfTheAgentTouchesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.engine.start(web(2))
		w.run()
		w.after(5 * time.Second)
		w.end()
		before := w.zone.count()
		w.run()
		w.after(5 * time.Second)
		assert.Equal(t, before, w.zone.count(), "no call at all")
		assert.Equal(t, weights{"web 1": 1, "web 2": 1}, w.zone.services())
	})
}

func TestRestartOfTheAgentFindsWhatHasChanged(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		one, two, three := web(1), web(2), web(3)
		w.engine.start(one)
		w.engine.start(two)
		w.run()
		w.after(5 * time.Second)
		w.end()
		w.engine.kill(one, 15) // draining while nobody listens
		w.engine.die(two)
		w.engine.start(three)
		before := w.zone.count()
		w.run()
		w.after(time.Second)
		assert.Equal(t, weights{"web 3": 1}, w.zone.services())
		assert.Equal(t, before+1, w.zone.count())
	})
}

func TestStopMarkOutlivesTheAgentAndTheEnginesMemory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		w.engine.kill(c, 15)
		w.after(2 * time.Second)
		w.end()
		w.engine.make(func() { w.engine.events = nil })
		w.run()
		w.after(5 * time.Second)
		assert.Empty(t, w.zone.services())
	})
}

func TestNextRunOfTheSameContainerIsAnnounced(t *testing.T) {
	for name, step := range map[string]time.Duration{"": time.Second, "though the clock went back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				c := web(1)
				w.engine.start(c)
				w.run()
				w.after(5 * time.Second)
				w.engine.kill(c, 15)
				w.engine.die(c)
				w.after(5 * time.Second)
				require.Empty(t, w.zone.services())
				c.StartedAt = time.Now().Add(step)
				w.engine.start(c)
				w.after(5 * time.Second)
				assert.Equal(t, weights{"web 1": 1}, w.zone.services())

				w.engine.interrupt() // and the old signal, replayed, does not count for the new run
				w.after(5 * time.Second)
				assert.Equal(t, weights{"web 1": 1}, w.zone.services())
			})
		})
	}
}

func TestSignalWhileTheEngineReplaysOldEvents(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.run()
		w.engine.kill(c, 15) // within two seconds of connecting
		w.after(time.Second)
		assert.Empty(t, w.zone.services())
	})
}

func TestContainerThatOutlivesItsSignalIsAnnouncedAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		w.engine.kill(c, 15)
		w.with(func() { w.tasks[c.ID] = Task{Stopping: true} })
		w.after(15 * time.Minute)
		assert.Empty(t, w.zone.services(), "ECS still wants it stopped")
		w.with(func() { w.tasks[c.ID] = Task{} })
		w.after(10 * time.Minute)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		w.engine.interrupt()
		w.after(5 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services(), "the same signal, replayed, does not count again")
		w.engine.kill(c, 15)
		w.after(5 * time.Second)
		assert.Empty(t, w.zone.services(), "another one does")
	})
}

func TestTaskThatECSWantsStoppedWhereTheSignalWasMissed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		one, two := web(1), web(2)
		w.engine.start(one)
		w.engine.start(two)
		w.with(func() { w.tasks[one.ID] = Task{Stopping: true} })
		w.run()
		w.after(5 * time.Second)
		assert.Equal(t, weights{"web 2": 1}, w.zone.services())
	})
}

func TestDeathsCountWhileTheEngineAnswersNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		one, two := web(1), web(2)
		w.engine.start(one)
		w.engine.start(two)
		w.run()
		w.after(5 * time.Second)
		// an Engine that shuts down refuses calls first and then stops its containers
		w.engine.make(func() { w.engine.down = true })
		w.engine.die(one)
		w.after(time.Second)
		assert.Equal(t, weights{"web 2": 1}, w.zone.services())
		w.engine.interrupt()
		w.after(time.Hour)
		assert.Equal(t, weights{"web 2": 1}, w.zone.services(), "an Engine that is lost takes no record with it")
	})
}

func TestSignalOfAnEarlierRunWhoseStartTheEngineHasForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		w.engine.kill(c, 15)
		w.after(time.Second)
		c.StartedAt = time.Now()
		w.engine.set(func(live map[string]container.Container) { live[c.ID] = c })
		w.run()
		w.after(5 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}

func TestReconnectingLooksAtEverything(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.run()
		w.after(5 * time.Second)
		w.engine.make(func() {
			clear(w.engine.live) // while the Engine was down, which remembers no events from before
			w.engine.events = nil
		})
		w.engine.interrupt()
		w.after(2 * time.Second)
		assert.Empty(t, w.zone.services())
	})
}

func TestDeafStreamIsNoticedAndReplaced(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		w.engine.make(func() { w.engine.deaf = true })
		w.after(time.Millisecond)
		w.engine.make(func() { w.engine.deaf = false })
		w.engine.start(web(1))
		w.after(time.Minute)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services(), "found by looking")
		w.engine.start(web(2))
		w.after(time.Second)
		assert.Equal(t, weights{"web 1": 1, "web 2": 1}, w.zone.services(), "found by the new stream")
	})
}

func TestLooksGoOnWithoutAStreamOfEvents(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.run()
		w.after(5 * time.Second)
		w.engine.make(func() { w.engine.closed = true }) // lists and inspects, and accepts no subscription
		w.engine.interrupt()
		w.after(5 * time.Second)
		w.engine.start(web(2))
		w.after(time.Minute)
		assert.Equal(t, weights{"web 1": 1, "web 2": 1}, w.zone.services())
	})
}

func TestCrashLoop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		stable := web(9)
		w.engine.start(stable)
		w.run()
		w.after(time.Minute)
		for n := range 3 {
			c := web(n + 1)
			w.engine.start(c)
			w.after(time.Second)
			w.engine.die(c)
			w.after(time.Second)
		}
		w.engine.start(web(4))
		w.after(10 * time.Second)
		assert.Equal(t, weights{"web 9": 1}, w.zone.services(), "what has lived for a minute stays")
		w.after(21 * time.Second)
		assert.Equal(t, weights{"web 4": 1, "web 9": 1}, w.zone.services(), "after 30 s of life")
	})
}

func TestDeathsThatWereAskedForAreNoCrashLoop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		for n := range 5 {
			c := web(n + 1)
			w.engine.start(c)
			w.after(3 * time.Second)
			w.engine.kill(c, 15)
			w.engine.die(c)
			w.after(3 * time.Second)
		}
		w.engine.start(web(9))
		w.after(time.Second)
		assert.Equal(t, weights{"web 9": 1}, w.zone.services())
	})
}

func TestHealthAndPauseSetTheWeight(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		c.Labels["SERVICE_WEIGHT"] = "5"
		c.Health = container.Starting
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		for _, step := range []struct {
			state  container.State
			health container.Health
			weight int64
		}{
			{
				container.Running,
				container.Starting,
				0,
			}, {
				container.Running,
				container.Healthy,
				5,
			}, {
				container.Running,
				container.Unhealthy,
				0,
			},
			{
				container.Running,
				container.Healthy,
				5,
			}, {
				container.Paused,
				container.Healthy,
				0,
			}, {
				container.Running,
				container.Healthy,
				5,
			},
		} {
			w.engine.set(func(live map[string]container.Container) {
				c.State, c.Health = step.state, step.health
				live[c.ID] = c
			}, container.Hint{ContainerID: c.ID, Action: container.Other, Time: time.Now()})
			w.after(5 * time.Second)
			assert.Equal(t, weights{"web 1": step.weight}, w.zone.services(), "%+v", step)
		}
	})
}

func TestAddressOfTheTasksOwnInterface(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		pause, c := web(8), web(1)
		pause.Labels = map[string]string{container.LabelName: "~internal~ecs~pause", container.LabelTaskARN: "arn"}
		pause.Mode, pause.Published = container.None, nil
		c.Mode, c.SharedWith, c.Published = container.Shared, pause.ID, nil
		c.Exposed = []container.Port{{Number: 80, Proto: container.TCP}}
		w.engine.start(pause)
		w.engine.start(c)
		w.run()
		w.after(2 * time.Second)
		require.Empty(t, w.zone.services())
		w.with(func() { w.tasks[c.ID] = Task{Address: w.owner.Address.Next()} })
		w.after(4 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
		eni := record.Record{
			Name:   "ip-10-0-0-2.sd.internal",
			Type:   record.A,
			SetID:  "i-1:eni:" + c.ID,
			TTL:    60,
			Weight: 1,
			Value:  "10.0.0.2",
		}
		assert.Equal(t, eni, w.zone.all()[eni.Key()])
		var before, after int
		w.with(func() { before = w.asked })
		w.after(time.Hour)
		w.with(func() { after = w.asked })
		assert.Equal(t, before, after, "an address that is known is not asked for again")
	})
}

func TestPortIsThatOfTheAddressThatIsRegistered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		port := container.Port{Number: 80, Proto: container.TCP}
		c.Published = []container.Binding{
			{
				Port:     port,
				HostIP:   netip.MustParseAddr("172.17.0.1"),
				HostPort: 21000,
			}, {
				Port:     port,
				HostIP:   w.owner.Address,
				HostPort: 21001,
			},
		}
		w.engine.start(c)
		w.run()
		w.after(2 * time.Second)
		var values []string
		for _, r := range w.zone.all() {
			if r.Type == record.SRV {
				values = append(values, r.Value)
			}
		}
		assert.Equal(t, []string{"1 1 21001 ip-10-0-0-1.sd.internal"}, values)
	})
}

func TestRecordsOfTheOriginalAgentAreReplaced(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		legacy := record.Record{
			Name:   "web.sd.internal",
			Type:   record.SRV,
			Weight: 1,
			Value:  "1 1 32769 host.example",
			SetID:  "host:" + c.ID,
		}
		other := legacy
		other.SetID = "host:" + strings.Repeat("a", 64)
		w.zone.Put(legacy)
		w.zone.Put(other)
		w.engine.start(c)
		w.runUnlisted()
		w.after(listWithin + time.Minute)
		_, legacyThere := w.zone.all()[legacy.Key()]
		_, otherThere := w.zone.all()[other.Key()]
		assert.False(t, legacyThere, "our container's")
		assert.True(t, otherThere, "somebody else's")
	})
}

func TestMissingJournalIsMadeGoodByOneListing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dead := record.Record{
			Name:   "web.sd.internal",
			Type:   record.SRV,
			Weight: 1,
			Value:  "1 1 1 host.example",
			SetID:  self + ":ecs:" + web(7).ID + ":80/tcp",
		}
		foreign := dead
		foreign.SetID = "i-10:ecs:" + web(7).ID + ":80/tcp"
		w.zone.Put(dead)
		w.zone.Put(foreign)
		w.engine.start(web(1))
		w.runUnlisted()
		w.after(listWithin + time.Minute)
		assert.Len(t, w.zone.services(), 2, "web 1, and another host's")
		_, deadThere := w.zone.all()[dead.Key()]
		assert.False(t, deadThere)
		assert.False(t, w.journal.ListingDue())
	})
}

func TestListingKeepsTheHostsOwnRecord(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		host := record.Zone{Name: "sd.internal"}.HostRecord(w.owner)
		w.zone.Put(host)
		w.runUnlisted()
		w.after(15 * time.Minute)
		w.zone.mu.Lock()
		defer w.zone.mu.Unlock()
		assert.Contains(t, w.zone.all(), host.Key(), "it is kept after the last that points to it")
		assert.Empty(t, w.zone.batches)
	})
}

func TestZoneOfAnotherConfigurationIsLeft(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.run()
		w.after(5 * time.Second)
		w.end()
		second := w.addZone("Z2")
		w.config.ZoneID = "Z2"
		w.run()
		w.after(5 * time.Second)
		assert.Empty(t, w.zone.all())
		assert.Equal(t, weights{"web 1": 1}, second.services())
		assert.Equal(t, []string{"Z2"}, w.journal.ZonesWithRecords())
	})
}

func TestZoneThatVanishesIsFoundAnew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.ZoneID = ""
		w.engine.start(web(1))
		w.run()
		w.after(5 * time.Second)
		w.zone.mu.Lock()
		w.zone.gone = true
		w.zone.mu.Unlock()
		w.engine.start(web(2))
		w.after(time.Second)
		second := w.addZone("Z2")
		w.after(time.Minute)
		assert.Equal(t, weights{"web 1": 1, "web 2": 1}, second.services())
	})
}

func TestHostThatHasSleptWritesEverythingAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.engine.start(web(2))
		w.run()
		w.after(5 * time.Second)
		before := w.zone.count()
		w.zone.mu.Lock()
		w.zone.Remove(w.zone.Records()...) // a sweeper took the host for gone
		w.zone.mu.Unlock()
		w.with(func() { w.slept = time.Hour })
		w.after(2 * time.Minute)
		assert.Equal(t, weights{"web 1": 1, "web 2": 1}, w.zone.services())
		assert.Equal(t, before+1, w.zone.count(), "one call")
	})
}

func TestSweepersMarkIsKeptUntilHealthChanges(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.VerifyEvery = 15 * time.Minute
		c := web(1)
		w.engine.start(c)
		w.run()
		w.after(5 * time.Second)
		key := record.Key{Name: "web.sd.internal", Type: record.SRV, SetID: self + ":ecs:" + c.ID + ":80/tcp"}
		marked := w.zone.all()[key]
		marked.Weight, marked.Value = 0, strings.Replace(marked.Value, "1 1 ", "2 1 ", 1)
		w.zone.Put(marked)
		w.after(2 * time.Hour)
		assert.Equal(t, marked, w.zone.all()[key])
		w.end()
		w.run()
		w.after(time.Minute)
		assert.Equal(t, marked, w.zone.all()[key], "also by an agent that was restarted")
		c.Health = container.Healthy
		w.engine.start(c)
		w.after(5 * time.Second)
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}

func TestDeregisterRemovesOnlyThisHostsRecords(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		foreign := record.Record{
			Name:   "web.sd.internal",
			Type:   record.SRV,
			Weight: 1,
			Value:  "1 1 1 h",
			SetID:  "i-10:ecs:" + web(7).ID + ":80/tcp",
		}
		w.zone.Put(foreign)
		w.engine.start(web(1))
		w.run()
		w.after(5 * time.Second)
		w.end()
		w.openJournal()
		require.NoError(t, w.agent().Deregister(t.Context()))
		require.NoError(t, w.journal.Close())
		assert.Equal(t, map[record.Key]record.Record{foreign.Key(): foreign}, w.zone.all())
	})
}

func TestSyncIsOnePass(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		gone, stays, stopping := web(1), web(2), web(3)
		w.engine.start(gone)
		w.engine.start(stays)
		w.run()
		w.after(5 * time.Second)
		w.end()
		w.engine.die(gone)
		w.engine.start(stopping)
		w.engine.kill(stopping, 15)
		w.openJournal()
		require.NoError(t, w.agent().Sync(t.Context()))
		require.NoError(t, w.journal.Close())
		assert.Equal(t, weights{"web 2": 1}, w.zone.services())
	})
}

func TestSyncWithoutAJournalListsTheZone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := web(1)
		legacy := record.Record{
			Name:   "web.sd.internal",
			Type:   record.SRV,
			Weight: 1,
			Value:  "1 1 32769 host.example",
			SetID:  "host:" + c.ID,
		}
		dead := legacy
		dead.SetID = self + ":ecs:" + web(7).ID + ":80/tcp"
		w.zone.Put(legacy)
		w.zone.Put(dead)
		w.engine.start(c)
		w.openJournal()
		require.NoError(t, w.agent().Sync(t.Context()))
		assert.False(t, w.journal.ListingDue())
		require.NoError(t, w.journal.Close())
		assert.Len(t, w.zone.all(), 2, "ours and the host's")
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}

func TestNothingIsChangedBeforeTheFirstLook(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.engine.start(web(1))
		w.run()
		w.after(5 * time.Second)
		w.end()
		before := w.zone.count()
		w.engine.make(func() { w.engine.down = true })
		w.run()
		w.after(10 * time.Minute)
		assert.Equal(t, before, w.zone.count())
		assert.Equal(t, weights{"web 1": 1}, w.zone.services())
	})
}

func TestBurstsCostFewCalls(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.run()
		w.after(5 * time.Second)
		for n := range 40 {
			w.engine.start(web(n + 1))
			w.after(200 * time.Millisecond)
		}
		w.after(2 * time.Second)
		assert.Len(t, w.zone.services(), 40)
		assert.LessOrEqual(t, w.zone.count(), 8+2*8+1, "what the host's own bucket gives in 8 s")
		for _, batch := range w.zone.batches {
			assert.LessOrEqual(t, len(batch), plan.Batch(batch))
		}
	})
}

func TestForeignRecordsInTheJournalAreNotBelieved(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		foreign := record.Record{
			Name:   "web.sd.internal",
			Type:   record.SRV,
			Weight: 1,
			Value:  "1 1 1 h",
			SetID:  "i-10:ecs:" + web(7).ID + ":80/tcp",
		}
		w.zone.Put(foreign)
		w.openJournal()
		require.NoError(t, w.journal.SetRecords("Z1", plan.Current{foreign.Key(): {Record: foreign}}))
		require.NoError(t, w.journal.Close())
		w.run()
		w.after(time.Minute)
		assert.Equal(t, map[record.Key]record.Record{foreign.Key(): foreign}, w.zone.all())
	})
}
