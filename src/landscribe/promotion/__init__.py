"""Who is champion: a gate between challenger and champion, the way back, and the log of both."""
