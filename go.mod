module github.com/ecssd/ecssd

go 1.26
