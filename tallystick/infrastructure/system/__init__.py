"""What the operating system is asked for: locks between threads and processes, forks, files at paths, columns in files."""
