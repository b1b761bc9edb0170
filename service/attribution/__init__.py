"""Attribution in a workspace: attribute tracks, write signed vectors, reports and evidence."""
