package record

import "regexp"

// The forms of the IDs that set identifiers are made of, or that calls to AWS take. Every package uses these, so that
// what one of them writes the others read.
var (
	containerID   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	instanceID    = regexp.MustCompile(`^[A-Za-z0-9._-]{1,45}$`)
	ec2InstanceID = regexp.MustCompile(`^i-(?:[0-9a-f]{8}|[0-9a-f]{17})$`)
	accountID     = regexp.MustCompile(`^[0-9]{12}$`)
	regionName    = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	zoneID        = regexp.MustCompile(`^[A-Z0-9]{1,32}$`)
)

// ValidContainerID reports whether id is a full container ID of the Engine: 64 hexadecimal digits.
func ValidContainerID(id string) bool { return containerID.MatchString(id) }

// ValidInstanceID reports whether id may begin a set identifier: an EC2 instance ID, that of an ECS Anywhere instance
// (mi-…), or a name that the operator chose. It has at most 45 characters, so that the longest set identifier has no
// more than MaxSetID, and no colon, which separates the parts.
func ValidInstanceID(id string) bool { return instanceID.MatchString(id) }

// ValidEC2InstanceID reports whether id has the form that EC2 gives instance IDs: i- and 8 or 17 hexadecimal digits.
func ValidEC2InstanceID(id string) bool { return ec2InstanceID.MatchString(id) }

// ValidAccountID reports whether id is the ID of an AWS account: 12 digits.
func ValidAccountID(id string) bool { return accountID.MatchString(id) }

// ValidRegion reports whether name may be the name of a region, such as eu-central-1. There may be regions that this
// program does not know, so that only the characters and the length (at most 40) are checked.
func ValidRegion(name string) bool { return regionName.MatchString(name) }

// ValidZoneID reports whether id may be the ID of a hosted zone, without /hostedzone/. Route 53 allows 32 characters.
func ValidZoneID(id string) bool { return zoneID.MatchString(id) }
