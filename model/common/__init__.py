"""What every room uses: errors, files, validation of outside data, progress bars."""
