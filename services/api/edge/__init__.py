"""What every request passes, whatever dialect it is in."""
