"""Attribution joined to the workspace: tracks in, signed vectors, reports and evidence out."""
