package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ecssd/ecssd/internal/host"
	"github.com/ecssd/ecssd/internal/journal"
	"github.com/ecssd/ecssd/internal/plan"
	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/statedir"
)

// identity is who the host is.
type identity struct {
	host.Identity // the zero one where that is not known
	findings      []Finding
}

func (d *doctor) identify(ctx context.Context) identity {
	ctx, cancel := limited(ctx)
	defer cancel()
	id, err := d.Metadata.Identify(ctx, d.Given)
	const offEC2 = "off EC2 give --instance-id and --host-ip"
	switch {
	case err != nil && d.Metadata.Off():
		return identity{
			findings: []Finding{
				bad(
					"metadata",
					Fail,
					"this host does not know who it is: AWS_EC2_METADATA_DISABLED=true switches EC2 metadata off",
				).
					hint("take AWS_EC2_METADATA_DISABLED out of the environment and of /etc/ecssd/ecssd.conf; " + offEC2),
			},
		}
	case err != nil:
		// The SDK's error of a token that it did not get has the reason in its text alone, at the end.
		reason := why(err)
		f := bad(
			"metadata",
			Fail,
			"this host does not know who it is: %s",
			strings.TrimSpace(reason[strings.LastIndex(reason, ",")+1:]),
		)
		if at := d.Metadata.Endpoint(); at != "" {
			return identity{
				findings: []Finding{
					f.hint(
						"the AWS configuration has EC2 metadata asked at %s: leave AWS_EC2_METADATA_SERVICE_ENDPOINT and "+
							"…_ENDPOINT_MODE out, and ec2_metadata_service_endpoint and …_endpoint_mode in AWS_CONFIG_FILE; "+offEC2,
						at,
					),
				},
			}
		}
		return identity{
			findings: []Finding{
				f.hint(
					"switch the instance's metadata on (aws ec2 modify-instance-metadata-options --http-endpoint enabled); " +
						"in a container use --network host; " + offEC2,
				),
			},
		}
	case !id.EC2:
		return identity{
			id,
			[]Finding{
				ok(
					"metadata",
					"not asked, since --instance-id and --host-ip say that this is %s at %s",
					id.InstanceID,
					id.Address,
				),
			},
		}
	case id.VPC == "":
		return identity{
			id,
			[]Finding{
				bad(
					"metadata",
					Warn,
					"EC2 says that this is %s at %s, and not in which VPC",
					id.InstanceID,
					id.Address,
				).
					hint("choose the zone by --zone-id (ECSSD_ZONE_ID)"),
			},
		}
	}
	return identity{
		id,
		[]Finding{
			ok("metadata", "EC2 says that this is %s at %s in %s, %s", id.InstanceID, id.Address, id.VPC, id.Region),
		},
	}
}

func (d *doctor) lookAtECS(ctx context.Context) Finding {
	if id := d.identity(); id.InstanceID != "" && !id.EC2 {
		return bad("ecs", Skip, "not checked: this host is not in EC2, as far as it was told")
	}
	ctx, cancel := limited(ctx)
	defer cancel()
	agent, err := d.Introspection.Agent(ctx)
	switch {
	case err != nil:
		return bad("ecs", Warn, "the ECS agent does not answer at %s: %s", host.IntrospectionURL, why(err)).
			hint("systemctl start ecs; without it containers with awsvpc networking are not announced")
	case agent.ContainerInstanceArn == "":
		return bad("ecs", Warn, "the ECS agent runs and has not joined cluster %s", agent.Cluster).
			hint("check ECS_CLUSTER in /etc/ecs/ecs.config and the instance's role; journalctl -u ecs")
	}
	return ok("ecs", "the ECS agent runs, in cluster %s", agent.Cluster)
}

// lookAtStandby says whether the whole host is out of traffic.
func (d *doctor) lookAtStandby(ctx context.Context) Finding {
	instance := d.identity().InstanceID
	if instance == "" {
		instance, _ = journal.Instance(d.StateDir)
	}
	since, err := statedir.Standby(d.StateDir, instance)
	switch {
	case since != "":
		return bad(
			"standby",
			Warn,
			"this host is on standby by hand, %s: all its records have weight 0",
			since,
		).hint("ecssd standby --off")
	case errors.Is(err, fs.ErrPermission):
		return bad(
			"standby",
			Skip,
			"not checked: this user may not look into %s",
			d.StateDir,
		).hint("run this as root: sudo ecssd doctor")
	case err != nil:
		return bad(
			"standby",
			Warn,
			"whether this host is on standby by hand cannot be told: %s",
			why(err),
		).hint("ecssd standby --off")
	}
	if d.identity().EC2 {
		ctx, cancel := limited(ctx)
		defer cancel()
		leaving, err := d.Metadata.Leaving(ctx)
		switch {
		case err != nil:
			return bad(
				"standby",
				Warn,
				"whether this host is about to go cannot be told: %s",
				why(err),
			).hint("see metadata")
		case leaving != "":
			return bad("standby", Warn, "this host is on standby, since it is about to go: %s", leaving)
		}
	}
	return ok("standby", "this host is in traffic")
}

// written is what the state directory holds.
type written struct {
	findings []Finding
	zones    map[string]plan.Current // by hosted zone ID; nil where it could not be read
}

// leastFree is the room below which a journal may not be written, in bytes.
const leastFree = 1 << 20

func (d *doctor) lookAtState() written {
	const check = "state"
	one := func(f Finding) written { return written{findings: []Finding{f}} }
	info, err := os.Stat(d.StateDir)
	var disk unix.Statfs_t
	if err == nil {
		err = unix.Statfs(d.StateDir, &disk)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return one(bad(check, Warn, "there is no state directory %s: no agent has run here with it", d.StateDir).
			hint("systemctl start ecssd; where it is elsewhere, say so in --state-dir (ECSSD_STATE_DIR)"))
	case errors.Is(err, fs.ErrPermission):
		return one(
			bad(
				check,
				Skip,
				"not checked: this user may not look into %s",
				d.StateDir,
			).hint("run this as root: sudo ecssd doctor"),
		)
	case err != nil:
		return one(
			bad(
				check,
				Fail,
				"the state directory cannot be used: %v",
				err,
			).hint("give another in --state-dir (ECSSD_STATE_DIR)"),
		)
	case !info.IsDir():
		return one(
			bad(check, Fail, "%s is no directory", d.StateDir).hint("give another in --state-dir (ECSSD_STATE_DIR)"),
		)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	findings := directory(d.StateDir, info.Mode().Perm(), disk)
	zones, err := journal.Read(d.StateDir)
	total := 0
	for _, known := range zones {
		total += len(known)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return written{
			findings: append(
				findings,
				bad(
					check,
					Skip,
					"the journal is not checked: this user may not read it",
				).hint("run this as root: sudo ecssd doctor"),
			),
		}
	case errors.Is(err, fs.ErrNotExist):
		return written{
			findings: append(
				findings,
				bad(
					check,
					Warn,
					"there is no journal in %s: no agent has run here with it, or it cannot write there",
					d.StateDir,
				).
					hint("systemctl restart ecssd; journalctl -u ecssd"),
			),
		}
	case err != nil:
		return written{findings: append(findings, bad(check, Fail, "the journal cannot be used: %v", err).
			hint("systemctl restart ecssd: it sets the journal aside and reads the zone once"))}
	}
	if other := foreign(zones, d.identity().InstanceID); other != "" {
		findings = append(findings, bad(check, Warn, "the journal is that of %s, of which this may be a clone", other).
			hint("systemctl restart ecssd: it sets the journal aside; and remove %s from machine images", d.StateDir))
	}
	if age, err := journal.Age(d.StateDir); err == nil && findings == nil && (age > oldJournal || age < -oldJournal) {
		findings = append(
			findings,
			bad(check, Warn, "no agent has written the journal for %s, so that it may lack records", span(age)).
				hint("systemctl restart ecssd: it reads the zone once; where an agent runs: journalctl -u ecssd"),
		)
	}
	if findings == nil {
		findings = []Finding{
			ok(check, "%s of user %d holds the journal, of %s", d.StateDir, owner, count(total, "record")),
		}
	}
	return written{findings, zones}
}

// oldJournal is the age from which the journal may lack records: an agent that can write it does so every 10 minutes.
const oldJournal = 15 * time.Minute

// span returns a time as a person says it.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "a time that is not known, since it has one of the future"
	case d > 100*365*24*time.Hour:
		return "a time that is not known"
	}
	return d.Round(time.Minute).String()
}

// directory says what keeps the owner from writing, or lets others.
func directory(path string, mode fs.FileMode, disk unix.Statfs_t) []Finding {
	free := disk.Bavail * uint64(disk.Bsize)
	switch {
	case disk.Flags&unix.ST_RDONLY != 0:
		return []Finding{
			bad(
				"state",
				Fail,
				"%s cannot be written: its file system is read-only",
				path,
			).hint("mount -o remount,rw; see dmesg"),
		}
	case free < leastFree || disk.Files > 0 && disk.Ffree == 0:
		return []Finding{
			bad(
				"state",
				Fail,
				"%s cannot be written: its file system is full",
				path,
			).hint("df -h %s; df -i %s; make room", path, path),
		}
	case mode&0o300 != 0o300:
		return []Finding{
			bad("state", Fail, "%s cannot be written by its owner (%s)", path, mode).hint("chmod 700 %s", path),
		}
	case mode&0o022 != 0:
		return []Finding{
			bad("state", Warn, "others than its owner may write to %s (%s)", path, mode).hint("chmod go-w %s", path),
		}
	}
	return nil
}

// foreign gives the host whose the records of a journal are, where that is not this one.
func foreign(zones map[string]plan.Current, instance string) string {
	for _, known := range zones {
		for key := range known {
			id, ok := record.ParseSetID(key.SetID)
			if ok && id.Kind != record.Legacy && instance != "" && id.Instance != instance {
				return id.Instance
			}
		}
	}
	return ""
}
