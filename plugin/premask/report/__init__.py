"""Pictures that people look at: drawings, contact sheets, the HTML report."""
