package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/ecssd/ecssd/internal/record"
	"github.com/ecssd/ecssd/internal/route53"
)

type lsCommand struct {
	JSON bool `name:"json" help:"Print a JSON array instead of a table."`
}

// listed is one SRV record of the zone.
type listed struct {
	Service   string `json:"service"` // below the zone
	Target    string `json:"target"`
	Address   string `json:"address,omitempty"` // of the target, where the zone names it
	Port      uint16 `json:"port"`
	Weight    int64  `json:"weight"` // what Route 53 goes by now
	Asked     int    `json:"asked"`  // what the container asked for
	State     string `json:"state"`  // serving, or standby
	Host      string `json:"host"`   // instance ID, or the host name of a record of the original agent
	Container string `json:"container"`
}

func (c lsCommand) Run(ctx context.Context, s *Settings, std streams) error {
	zone, err := openZone(ctx, s)
	if err != nil {
		return err
	}
	var records []record.Record
	err = zone.Each(ctx, func(page []record.Record, _ int) error {
		records = append(records, page...)
		return nil
	})
	if err != nil {
		return err
	}
	rows := tabulate(s.Zone, records)
	if c.JSON {
		encoder := json.NewEncoder(std.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(rows)
	}
	return printRows(std.Out, s.Zone, rows)
}

// openZone finds the hosted zone for a command that only reads, which may run anywhere.
func openZone(ctx context.Context, s *Settings) (*route53.Zone, error) {
	awsConfig, err := loadAWS(ctx, s, "")
	if err != nil {
		return nil, err
	}
	client := route53.New(awsConfig)
	if s.ZoneID != "" {
		return client.Zone(s.ZoneID), nil
	}
	found, err := client.FindZone(ctx, s.Zone, "")
	if err != nil {
		return nil, err
	}
	return client.Zone(found.ID), nil
}

// tabulate gives a row for each SRV record that ecssd, or the original agent, has written.
func tabulate(zone string, records []record.Record) []listed {
	addresses := map[string]string{}
	for _, r := range records {
		if r.Type == record.A {
			addresses[r.Name] = r.Value
		}
	}
	rows := []listed{}
	for _, r := range records {
		id, ours := record.ParseSetID(r.SetID)
		target, valid := record.ParseTarget(r.Value)
		if r.Type != record.SRV || !ours || !valid {
			continue
		}
		row := listed{
			// As Route 53 lists it: whoever may write to the zone may put any byte into a name.
			Service: record.Escape(strings.TrimSuffix(r.Name, "."+zone)), Target: target.Host, Address: addresses[target.Host],
			Port: target.Port, Weight: r.Weight, Asked: target.Weight, State: "serving", Host: id.Instance, Container: id.Container,
		}
		if r.Weight == 0 && target.Weight > 0 {
			row.State = "standby"
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port),
			cmp.Compare(a.Container, b.Container))
	})
	return rows
}

func printRows(out io.Writer, zone string, rows []listed) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintf(out, "no service is announced in %s\n", zone)
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVICE\tENDPOINT\tWEIGHT\tSTATE\tHOST\tCONTAINER")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", r.Service, printable(cmp.Or(r.Address, r.Target))+":"+strconv.Itoa(int(r.Port)),
			r.Weight, r.State, r.Host, r.Container[:12])
	}
	return table.Flush()
}
