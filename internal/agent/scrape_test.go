package agent

import (
	"context"
	"sync"
	"testing"
	"time"
)

// Metrics may be scraped at any time, also while the agent opens the zone that it has found. The race detector judges.
func TestScrapeWhileTheZoneIsOpened(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.config.ZoneID = ""
		w.host.FindZone = func(context.Context) (string, error) {
			time.Sleep(time.Second)
			return "Z1", nil
		}
		w.run()
		var scraping sync.WaitGroup
		for range 4 {
			scraping.Go(func() {
				time.Sleep(time.Second)
				w.shows()
			})
		}
		w.after(2 * time.Second)
		scraping.Wait()
	})
}
