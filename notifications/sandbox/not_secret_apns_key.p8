NOT A SECRET. This key is published with the package on purpose. It belongs to the sandbox that plays the
providers on a developer's machine, opens nothing else, and must never be put in the place of a real one.
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLh0h5/MkZG93DS4s
NSa3k5zcQcqM50kWLf0WsXxGEx2hRANCAATw484wgJABz5yrbLcYLgvDiiGK3K31
NHnLBtsFyURTnZduqlr+ylRndEuQe95qCICu2mT9oGDvDQYan3v6g+Bu
-----END PRIVATE KEY-----
