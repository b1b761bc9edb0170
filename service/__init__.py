"""What joins the rooms: the workspace, and everything that runs long."""
